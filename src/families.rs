//! What is known of metrics whatever they measure.

use std::collections::BTreeMap;

use prometheus::core::Collector;

/// A metric, whatever it measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its type as Prometheus names it, such as `counter`.
    pub kind: String,
    /// What it tells, and in which unit.
    pub help: String,
    /// The names of its labels.
    pub labels: Vec<String>,
}

/// Each metric of these, by its name.
pub(crate) fn families(collectors: &[Box<dyn Collector>]) -> BTreeMap<String, Family> {
    // What is collected has a type, also where there is no series yet; the description has the labels.
    let collected = collectors.iter().flat_map(|collector| {
        let described = collector.desc().into_iter().cloned().collect::<Vec<_>>();
        described.into_iter().zip(collector.collect())
    });
    collected
        .map(|(desc, family)| {
            let family = Family {
                kind: format!("{:?}", family.get_field_type()).to_lowercase(),
                help: desc.help,
                labels: desc.variable_labels,
            };
            (desc.fq_name, family)
        })
        .collect()
}
