//! The Helm chart: rendered and installed by Helm, judged by a real API server. And the Dockerfile, as far as can be told
//! without building it.

mod alerts;
mod checking;
mod copies;
mod dashboard;
mod definitions;
mod every_option;
mod image;
mod installing;
mod options;
mod refusals;
mod rendering;
mod rights;
mod schema;
mod support;
mod types;
mod upgrading;
mod values;
