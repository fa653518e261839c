//! `amiseal crd`: prints the custom resource definitions.
