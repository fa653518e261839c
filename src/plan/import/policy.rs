//! The policy over the images, as text that is the same each time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::domain::{AccountId, ImageId, Region, Scope};

/// As many images as the terms of one policy can name: 20 terms of 200.
const IMAGES: usize = TERMS * IDS;
const TERMS: usize = 20;
const IDS: usize = 200;
/// As many accounts as one policy can name.
const ACCOUNTS: usize = 200;

/// The keys to encrypt under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// That of regions that have none of their own.
    pub general: Option<String>,
    /// Those of single regions.
    pub of_region: BTreeMap<Region, String>,
}

impl Keys {
    /// The key of a region.
    pub fn of(&self, region: &Region) -> Option<&str> {
        let own = self.of_region.get(region).or(self.general.as_ref());
        own.map(String::as_str)
    }
}

/// What a policy says beside the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name. Where one policy cannot hold all, those that follow have a number behind it.
    pub name: String,
    /// `Audit` or `Enforce`.
    pub mode: String,
    /// The keys.
    pub keys: Keys,
    /// The role to assume in each account.
    pub role_name: Option<String>,
    /// The external ID that the roles ask for.
    pub external_id: Option<String>,
    /// The first line, on where the images come from.
    pub comment: String,
}

/// The images of one policy, by account and region.
type Share = BTreeMap<AccountId, BTreeMap<Region, Vec<ImageId>>>;

/// Writes the policies: one, or as many as it takes. Fails with the regions that have no key.
pub fn write(selected: &BTreeMap<Scope, BTreeSet<ImageId>>, settings: &Settings) -> Result<String, BTreeSet<Region>> {
    let regions = selected.keys().map(|place| &place.region);
    let keyless: BTreeSet<Region> = regions
        .filter(|region| settings.keys.of(region).is_none())
        .cloned()
        .collect();
    if !keyless.is_empty() {
        return Err(keyless);
    }
    let mut text = String::new();
    for (number, share) in shares(selected).iter().enumerate() {
        if number > 0 {
            text.push_str("---\n");
        }
        // Writing to a string does not fail.
        let _ = write_one(&mut text, share, number, settings);
    }
    Ok(text)
}

/// Divides the images among as few policies as hold them, in the order of accounts, regions and IDs.
fn shares(selected: &BTreeMap<Scope, BTreeSet<ImageId>>) -> Vec<Share> {
    let mut shares = vec![Share::new()];
    let mut images = 0;
    let all = selected
        .iter()
        .flat_map(|(place, ids)| ids.iter().map(move |id| (place, id)));
    for (place, id) in all {
        let is_new = |share: &Share| share.len() == ACCOUNTS && !share.contains_key(&place.account);
        if images == IMAGES || shares.last().is_none_or(is_new) {
            shares.push(Share::new());
            images = 0;
        }
        images += 1;
        if let Some(share) = shares.last_mut() {
            let regions = share.entry(place.account.clone()).or_default();
            regions.entry(place.region.clone()).or_default().push(id.clone());
        }
    }
    shares
}

fn write_one(text: &mut String, share: &Share, number: usize, settings: &Settings) -> std::fmt::Result {
    let name = match number {
        0 => settings.name.clone(),
        number => format!("{}-{}", settings.name, number + 1),
    };
    writeln!(text, "# {}", on_one_line(&settings.comment))?;
    writeln!(text, "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy")?;
    writeln!(text, "metadata:\n  name: {}", scalar(&name))?;
    writeln!(text, "spec:\n  mode: {}", scalar(&settings.mode))?;
    if settings.role_name.is_some() || settings.external_id.is_some() {
        writeln!(text, "  defaults:")?;
    }
    if let Some(role_name) = &settings.role_name {
        writeln!(text, "    roleName: {}", scalar(role_name))?;
    }
    if let Some(external_id) = &settings.external_id {
        writeln!(text, "    externalID: {}", scalar(external_id))?;
    }
    writeln!(text, "  accounts:")?;
    for (account, regions) in share {
        // Without quotes it is a number.
        writeln!(text, "  - accountID: \"{account}\"\n    regions:")?;
        for region in regions.keys() {
            let key = settings.keys.of(region).unwrap_or_default();
            writeln!(text, "    - name: {region}\n      kmsKeyID: {}", scalar(key))?;
        }
    }
    let mut ids: Vec<&ImageId> = share.values().flat_map(BTreeMap::values).flatten().collect();
    ids.sort();
    writeln!(text, "  imageSelector:\n    include:")?;
    for term in ids.chunks(IDS) {
        writeln!(text, "    - ids:")?;
        for id in term {
            writeln!(text, "      - {id}")?;
        }
    }
    Ok(())
}

/// A text as YAML takes it for nothing else: in quotes, unless it is a word of letters and plain signs that means nothing.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && text.ends_with(|sign: char| sign.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_/.:+=@".contains(&byte));
    let means = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    if is_plain && !means.iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return text.to_owned();
    }
    // A text of JSON is one of YAML.
    serde_json::Value::from(text).to_string()
}

/// A comment ends with its line.
fn on_one_line(text: &str) -> String {
    let breaks = |sign: char| {
        sign.is_control() || matches!(sign, '\u{85}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.replace(breaks, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::image_id;

    fn place(account: usize, region: &str) -> Scope {
        Scope {
            account: format!("{account:012}").parse().expect("an account"),
            region: region.parse().expect("a region"),
        }
    }

    fn settings() -> Settings {
        Settings {
            name: "findings".to_owned(),
            mode: "Audit".to_owned(),
            keys: Keys {
                general: Some("alias/ami".to_owned()),
                of_region: [("us-east-1".parse().expect("a region"), "alias/us".to_owned())].into(),
            },
            role_name: Some("amiseal".to_owned()),
            external_id: None,
            comment: "findings.csv\nspec: evil".to_owned(),
        }
    }

    #[test]
    fn a_policy_is_written_in_order_and_comments_stay_on_their_line() {
        let selected = [
            (place(2, "us-east-1"), [image_id(1)].into()),
            (place(1, "eu-west-1"), [image_id(3), image_id(2)].into()),
        ];
        let text = write(&selected.into(), &settings()).expect("a policy");
        assert_eq!(
            text,
            "\
# findings.csv\u{fffd}spec: evil
apiVersion: amiseal.dev/v1alpha1
kind: AMIEncryptionPolicy
metadata:
  name: findings
spec:
  mode: Audit
  defaults:
    roleName: amiseal
  accounts:
  - accountID: \"000000000001\"
    regions:
    - name: eu-west-1
      kmsKeyID: alias/ami
  - accountID: \"000000000002\"
    regions:
    - name: us-east-1
      kmsKeyID: alias/us
  imageSelector:
    include:
    - ids:
      - ami-00000000000000001
      - ami-00000000000000002
      - ami-00000000000000003
"
        );
    }

    #[test]
    fn a_region_without_a_key_is_named() {
        let mut settings = settings();
        settings.keys.general = None;
        let selected = [(place(1, "eu-west-1"), [image_id(1)].into())].into();
        let keyless = write(&selected, &settings).expect_err("no key");
        assert_eq!(keyless, ["eu-west-1".parse().expect("a region")].into());
    }

    #[test]
    fn what_one_policy_cannot_hold_becomes_several_and_nothing_is_lost() {
        let many_images = [(place(1, "eu-west-1"), (0..9001).map(image_id).collect())].into();
        let accounts = (0..401).map(|n| (place(n, "eu-west-1"), [image_id(n as u64)].into()));
        for (selected, images, policies) in [(many_images, 9001, 3), (accounts.collect(), 401, 3)] {
            let text = write(&selected, &settings()).expect("policies");
            assert_eq!(text.matches("- ami-").count(), images);
            assert_eq!(text.matches("kind: AMIEncryptionPolicy").count(), policies);
            let names: Vec<&str> = text.lines().filter(|line| line.starts_with("  name: ")).collect();
            assert_eq!(names, ["  name: findings", "  name: findings-2", "  name: findings-3"]);
        }
    }

    #[test]
    fn a_text_that_means_something_in_yaml_has_quotes() {
        for (text, written) in [
            ("alias/ami", "alias/ami"),
            (
                "arn:aws:kms:eu-west-1:111122223333:alias/ami",
                "arn:aws:kms:eu-west-1:111122223333:alias/ami",
            ),
            ("On", "\"On\""),
            ("1e5", "\"1e5\""),
            ("=cmd()", "\"=cmd()\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("x:", "\"x:\""),
            ("", "\"\""),
            ("q\"\n", "\"q\\\"\\n\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }
}
