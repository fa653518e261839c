//! amiseal
