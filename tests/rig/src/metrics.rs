//! The metrics that the controller serves, in the text format of Prometheus.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::http::http_get;

/// One sample.
#[derive(Debug, PartialEq)]
pub struct Sample {
    /// Its series' name.
    pub name: String,
    /// As the text has them, in braces.
    pub labels: BTreeMap<String, String>,
    /// What it measures.
    pub value: f64,
    /// The whole line.
    pub line: String,
}

/// Gets and reads `/metrics` of the controller that listens there, as in `127.0.0.1:8080`.
pub async fn read_metrics(listens: &str) -> Result<Vec<Sample>> {
    let (status, text) = http_get(&format!("http://{listens}/metrics")).await?;
    ensure!(status == 200, "/metrics answers {status}");
    Ok(text.lines().filter_map(parse).collect())
}

/// Reads a line; none for comments. Our labels are bounded words, in which nothing is escaped.
fn parse(line: &str) -> Option<Sample> {
    let (series, value) = line
        .split_once('#')
        .map_or(line, |(before, _)| before)
        .rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
        let (key, value) = label.split_once("=\"")?;
        Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some(Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().ok()?,
        line: line.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_labels_and_value_are_told_apart() {
        let sample = parse(r#"amiseal_images{account="1",class="unencrypted"} 4"#).expect("a sample");
        assert_eq!((sample.name.as_str(), sample.value), ("amiseal_images", 4.0));
        let labels: Vec<_> = sample.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(labels, [("account", "1"), ("class", "unencrypted")]);
        assert_eq!(
            parse("amiseal_leader 1").map(|s| (s.name, s.labels.len())),
            Some(("amiseal_leader".to_owned(), 0))
        );
        assert_eq!(parse("# HELP amiseal_leader Whether this replica leads: 1 or 0."), None);
    }
}
