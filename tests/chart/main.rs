//! The Helm chart: rendered and installed by Helm, judged by a real API server. And the Dockerfile, as far as can be told
//! without building it.

mod alerts;
mod image;
mod installing;
mod rendering;
mod support;
mod values;
