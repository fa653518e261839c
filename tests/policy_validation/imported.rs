//! What `amiseal import` writes is accepted, however much it is.

use std::collections::{BTreeMap, BTreeSet};

use amiseal::domain::ImageId;
use amiseal::domain::Scope;
use amiseal::plan::import::{Keys, Settings, write};
use serde_json::Value;

use crate::{create, policies};

const REGIONS: [&str; 5] = [
    "eu-west-1",
    "us-east-1",
    "us-gov-west-1",
    "ap-southeast-2",
    "cn-north-1",
];

#[tokio::test]
async fn every_policy_of_a_large_import_is_accepted() {
    let mut selected: BTreeMap<Scope, BTreeSet<ImageId>> = BTreeMap::new();
    for number in 0..9_000_usize {
        let place = Scope {
            account: format!("{:012}", number % 400).parse().expect("an account"),
            region: REGIONS[number / 400 % REGIONS.len()].parse().expect("a region"),
        };
        let image = format!("ami-{number:017x}").parse().expect("an image");
        selected.entry(place).or_default().insert(image);
    }
    let settings = Settings {
        name: "findings".to_owned(),
        mode: "Audit".to_owned(),
        keys: Keys {
            general: Some("alias/ami".to_owned()),
            ..Keys::default()
        },
        role_name: Some("teams/amiseal".to_owned()),
        external_id: Some("platform".to_owned()),
        comment: "a: b".to_owned(),
    };
    let text = write(&selected, &settings).expect("policies");
    let api = policies().await;
    let mut images = 0;
    for policy in text.split("---\n") {
        let policy: Value = serde_saphyr::from_str(policy).expect("YAML");
        let terms = policy["spec"]["imageSelector"]["include"].as_array().expect("terms");
        images += terms
            .iter()
            .map(|term| term["ids"].as_array().map_or(0, Vec::len))
            .sum::<usize>();
        create(&api, policy).await.expect("accepted");
    }
    assert_eq!(images, 9_000);
}
