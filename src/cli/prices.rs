//! A table of prices, from a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::policy_file;
use crate::plan::prices::Prices;

/// What a price is of, in the file.
const FIELD: &str = "snapshotGiBMonth";
/// The price of regions that are not named.
const DEFAULT: &str = "default";

/// Reads the table, or says in one sentence what is wrong with it.
pub(super) fn load(path: &Path) -> Result<Prices, String> {
    let value = policy_file::document(path)?;
    table(&value).map_err(|why| format!("{}: {why}.", path.display()))
}

fn table(value: &Value) -> Result<Prices, String> {
    let fields = value.as_object().ok_or_else(|| {
        format!(
            "is no table of prices: it needs `{FIELD}` with the price of a GiB for a month by region, and `{DEFAULT}`"
        )
    })?;
    if let Some(unknown) = fields.keys().find(|name| !["currency", FIELD].contains(&name.as_str())) {
        return Err(format!(
            "`{unknown}` is no field of a table of prices: use `currency` and `{FIELD}`"
        ));
    }
    let currency = match fields.get("currency") {
        None => None,
        Some(Value::String(currency)) if (1..=8).contains(&currency.chars().count()) => Some(currency.clone()),
        Some(other) => return Err(format!("`currency` is {other}: write a short name, as USD")),
    };
    let (default, regions) = prices(fields.get(FIELD).and_then(Value::as_object))?;
    Ok(Prices {
        currency,
        default,
        regions,
    })
}

/// The price of regions that are not named, and those of regions that are.
fn prices(listed: Option<&Map<String, Value>>) -> Result<(f64, BTreeMap<String, f64>), String> {
    let listed = listed.ok_or_else(|| format!("`{FIELD}` is missing: add the price of a GiB for a month by region"))?;
    let mut regions = BTreeMap::new();
    for (region, price) in listed {
        let price = price.as_f64().filter(|price| price.is_finite() && *price >= 0.0);
        let price =
            price.ok_or_else(|| format!("`{FIELD}.{region}` is no price: write a number that is not below 0"))?;
        regions.insert(region.clone(), price);
    }
    let default = regions.remove(DEFAULT).ok_or_else(|| {
        format!("`{FIELD}.{DEFAULT}` is missing: add the price in regions that the table does not name")
    })?;
    Ok((default, regions))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_a_price_for_every_region() {
        let prices = table(&json!({"currency": "USD", "snapshotGiBMonth": {"default": 0.05, "sa-east-1": 0.068}}));
        assert_eq!(
            prices,
            Ok(Prices {
                currency: Some("USD".to_owned()),
                default: 0.05,
                regions: [("sa-east-1".to_owned(), 0.068)].into(),
            })
        );
    }

    #[test]
    fn what_is_wrong_is_one_sentence_with_the_field_and_the_fix() {
        for (value, names) in [
            (json!([]), "is no table of prices"),
            (json!({"prices": {}}), "`prices` is no field"),
            (
                json!({"currency": 1, "snapshotGiBMonth": {"default": 1}}),
                "`currency` is 1",
            ),
            (json!({"currency": "USD"}), "`snapshotGiBMonth` is missing"),
            (json!({"snapshotGiBMonth": 1}), "`snapshotGiBMonth` is missing"),
            (
                json!({"snapshotGiBMonth": {"eu-west-1": 1}}),
                "`snapshotGiBMonth.default` is missing",
            ),
            (
                json!({"snapshotGiBMonth": {"default": "1"}}),
                "`snapshotGiBMonth.default` is no price",
            ),
            (
                json!({"snapshotGiBMonth": {"default": 1, "eu-west-1": -1}}),
                "`snapshotGiBMonth.eu-west-1` is no price",
            ),
        ] {
            let why = table(&value).expect_err("it is wrong");
            assert!(why.contains(names) && why.contains(": "), "{value}: {why}");
        }
    }
}
