//! What is known of metrics whatever they measure.

use std::collections::BTreeMap;

use prometheus::core::Collector;

/// A metric, whatever it measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// What it tells, and in which unit.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
}

/// Each metric of these, by its name.
pub(crate) fn families(collectors: &[Box<dyn Collector>]) -> BTreeMap<String, Family> {
    let described = collectors.iter().flat_map(|collector| collector.desc());
    described
        .map(|desc| {
            let family = Family {
                help: desc.help.clone(),
                labels: desc.variable_labels.clone(),
            };
            (desc.fq_name.clone(), family)
        })
        .collect()
}
