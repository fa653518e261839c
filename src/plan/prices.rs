//! What keeping snapshots costs, by region.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cost::gib;

/// What a GiB of snapshots costs in a month.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// In which currency, if that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// In regions that are not named.
    pub default: f64,
    /// In these regions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, f64>,
}

impl Prices {
    /// The same price everywhere.
    pub fn everywhere(price: f64) -> Self {
        Self {
            default: price,
            ..Self::default()
        }
    }

    /// What keeping so many bytes costs in a month, to a hundredth.
    pub fn month(&self, region: &str, bytes: u64) -> f64 {
        let price = self.regions.get(region).copied().unwrap_or(self.default);
        hundredths(price * gib(bytes))
    }

    /// A cost for people: with two digits, and the currency where it is known.
    pub fn say(&self, cost: f64) -> String {
        match &self.currency {
            Some(currency) => format!("{cost:.2} {currency}"),
            None => format!("{cost:.2}"),
        }
    }
}

/// To a hundredth.
pub fn hundredths(cost: f64) -> f64 {
    (cost * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_own_price_or_the_default() {
        let prices = Prices {
            currency: Some("EUR".to_owned()),
            default: 0.05,
            regions: [("sa-east-1".to_owned(), 0.068)].into(),
        };
        for (region, gib, cost, said) in [
            ("eu-west-1", 10, 0.5, "0.50 EUR"),
            ("sa-east-1", 10, 0.68, "0.68 EUR"),
            ("sa-east-1", 1, 0.07, "0.07 EUR"),
            ("eu-west-1", 0, 0.0, "0.00 EUR"),
        ] {
            let month = prices.month(region, gib << 30);
            assert!((month - cost).abs() < 1e-9, "{gib} GiB in {region}: {month}");
            assert_eq!(prices.say(month), said);
        }
        assert_eq!(Prices::everywhere(1.0).say(12.5), "12.50");
    }
}
