//! Accounts, their regions and their keys.

use serde_json::{Value, json};

use super::{Refusal, refused};

const DIGITS: &str = "accountID must be the account's 12 digits, in quotes: write for example \"111122223333\"";
const REGION: &str = "name must be the name of an AWS region, not of a zone: write for example eu-west-1";
const KEY: &str = "kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami";
const KEY_PATH: &str = "kmsKeyID must end in alias/ or key/ and a name of letters, digits and _/-";
const KEY_OF_REGION: &str = "write an ARN that begins with arn:aws:kms:eu-west-1:, or an alias as in alias/ami";
const ROLE_NAME: &str = "roleName must be the name of an IAM role, after its path if it has one: write for example \
                         amiseal or teams/amiseal, and an ARN into roleARN";
const EXTERNAL_ID: &str = "externalID must have at least 2 characters, which may be letters, digits and _+=,.@:/-";

pub(super) fn accounts() -> Vec<Refusal> {
    let account = "spec.accounts[2].accountID";
    let number = "/spec/accounts/2/accountID";
    let role = "spec.accounts[0].roleARN";
    let role_at = "/spec/accounts/0/roleARN";
    let one_account = |id: usize| json!({"accountID": format!("{:012}", id)});
    vec![
        refused(number, json!("77778888999"), account, DIGITS),
        refused(number, json!("7777888899990"), account, DIGITS),
        refused(number, json!("7777-8888-9999"), account, DIGITS),
        refused(number, json!(777788889999_u64), account, "must be of type string"),
        refused(number, None, account, "Required value"),
        refused(number, json!("444455556666"), "spec.accounts[2]", "Duplicate value"),
        refused(
            "/spec/accounts",
            json!([]),
            "spec.accounts",
            "accounts must have at least one account: list one, or write accountsFrom",
        ),
        refused(
            "/spec/accounts",
            None,
            "spec.accounts",
            "accounts must have at least one account: list one, or write accountsFrom",
        ),
        refused(
            "/spec/accounts",
            json!((0..201).map(one_account).collect::<Vec<_>>()),
            "spec.accounts",
            "must have at most 200 items",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::999988887777:role/amiseal"),
            role,
            "roleARN must be a role of the account that accountID names: correct one of the two",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::111122223333:user/amiseal"),
            role,
            "roleARN must be the ARN of an IAM role: write for example arn:aws:iam::111122223333:role/amiseal",
        ),
        refused(
            role_at,
            json!("arn:aws-cn:iam::111122223333:role/amiseal"),
            role,
            "roleARN must be of the partition that the account's regions are in: begin it with arn:aws-cn:",
        ),
        refused(
            "/spec/accounts/0/roleName",
            json!("amiseal"),
            "spec.accounts[0].roleName",
            "roleName and roleARN exclude each other: remove one of the two",
        ),
        refused(
            "/spec/accounts/2/roleName",
            json!("/amiseal/"),
            "spec.accounts[2].roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/roleName",
            json!("arn:aws:iam::111122223333:role/amiseal"),
            "spec.defaults.roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/externalID",
            json!("x"),
            "spec.defaults.externalID",
            EXTERNAL_ID,
        ),
        refused(
            "/spec/accounts/0/externalID",
            json!("two words"),
            "spec.accounts[0].externalID",
            EXTERNAL_ID,
        ),
    ]
}

pub(super) fn accounts_from() -> Vec<Refusal> {
    let from = "/spec/accountsFrom";
    let units = "spec.accountsFrom.organizationalUnits";
    let one_of = "accountsFrom must have either organization: {}, for all accounts, or organizationalUnits";
    let of_all = |field: &str, value: Value| {
        let mut from = json!({"organization": {}});
        from[field] = value;
        from
    };
    let unit = |number: usize| format!("ou-ab12-{number:08}");
    let of_units = |units: Vec<String>| json!({"organizationalUnits": units});
    vec![
        refused(from, json!({}), "spec.accountsFrom", one_of),
        refused(from, json!({"organizationalUnits": []}), "spec.accountsFrom", one_of),
        refused(
            from,
            of_all("organizationalUnits", json!([unit(1)])),
            "spec.accountsFrom",
            one_of,
        ),
        refused(
            from,
            of_units(vec!["r-ab12".to_owned()]),
            units,
            "organizationalUnits must be IDs of organizational units: write for example ou-ab12-c3d4e5f6",
        ),
        refused(
            from,
            of_units((0..51).map(unit).collect()),
            units,
            "must have at most 50 items",
        ),
        refused(
            from,
            of_all("exclude", json!(["1111-2222-3333"])),
            "spec.accountsFrom.exclude",
            "exclude must be the 12 digits of accounts, in quotes",
        ),
        refused(
            from,
            of_all("exclude", (0..501).map(|id| format!("{id:012}")).collect()),
            "spec.accountsFrom.exclude",
            "must have at most 500 items",
        ),
        refused(
            from,
            of_all("roleARN", json!("lists-accounts")),
            "spec.accountsFrom.roleARN",
            "roleARN must be the ARN of an IAM role",
        ),
        refused(
            from,
            of_all("externalID", json!("x")),
            "spec.accountsFrom.externalID",
            EXTERNAL_ID,
        ),
        refused(
            "/spec",
            json!({"accountsFrom": {"organization": {}}}),
            "spec.accountsFrom",
            "accountsFrom needs defaults.roleName and defaults.regions",
        ),
        refused(
            "/spec",
            json!({
                "accountsFrom": {"organization": {}},
                "defaults": {
                    "roleName": "amiseal",
                    "regions": [{"name": "eu-west-1", "kmsKeyID": "1234abcd-12ab-34cd-56ef-1234567890ab"}],
                },
            }),
            "spec.defaults.regions",
            "defaults.regions must not name a key by its bare ID when several accounts take it",
        ),
    ]
}

pub(super) fn all_regions() -> Vec<Refusal> {
    let at = "/spec/accounts/0/allRegions";
    let key = "allRegions.kmsKeyID must be an alias or the ID of a multi-Region key";
    let mut all: Vec<Refusal> = [
        "",
        "alias/",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234",
        "arn:aws:kms:eu-west-1:111122223333:alias/ami",
        "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ]
    .into_iter()
    .map(|named| {
        refused(
            at,
            json!({"kmsKeyID": named}),
            "spec.accounts[0].allRegions.kmsKeyID",
            key,
        )
    })
    .collect();
    all.extend([
        refused(
            "/spec/defaults/allRegions",
            json!({"kmsKeyID": "1234abcd-12ab-34cd-56ef-1234567890ab"}),
            "spec.defaults.allRegions.kmsKeyID",
            key,
        ),
        refused(
            at,
            json!({"kmsKeyID": "alias/ami", "exclude": ["eu-west-1a"]}),
            "spec.accounts[0].allRegions.exclude",
            "exclude must be names of AWS regions, not of zones",
        ),
        refused(
            at,
            json!({"kmsKeyID": "alias/ami", "exclude": (0..41).map(|n| format!("eu-west-{n}")).collect::<Vec<_>>()}),
            "spec.accounts[0].allRegions.exclude",
            "must have at most 40 items",
        ),
        refused(
            "/spec",
            json!({
                "accountsFrom": {"organization": {}},
                "defaults": {
                    "roleName": "amiseal",
                    "allRegions": {"kmsKeyID": "mrk-1234abcd12ab34cd56ef1234567890ab"},
                },
            }),
            "spec.defaults.allRegions",
            "defaults.allRegions must not name a key by its ID when several accounts take it",
        ),
    ]);
    all
}

pub(super) fn regions_and_keys() -> Vec<Refusal> {
    let name_at = "/spec/accounts/0/regions/0/name";
    let name = "spec.accounts[0].regions[0].name";
    let key_at = "/spec/accounts/0/regions/0/kmsKeyID";
    let key = "spec.accounts[0].regions[0].kmsKeyID";
    let defaults = "spec.defaults.regions";
    let one_region = |i: usize| json!({"name": format!("eu-west-{i}"), "kmsKeyID": "alias/ami"});
    vec![
        refused(name_at, json!("eu-west-1a"), name, REGION),
        refused(name_at, json!("Ireland"), name, REGION),
        refused(name_at, json!("eu_west_1"), name, REGION),
        refused(
            name_at,
            json!("eu-central-1"),
            "spec.accounts[0].regions[1]",
            "Duplicate value",
        ),
        refused(
            "/spec/accounts/0/regions",
            json!((0..41).map(one_region).collect::<Vec<_>>()),
            "spec.accounts[0].regions",
            "must have at most 40 items",
        ),
        refused(key_at, None, key, "Required value"),
        refused(key_at, json!("ami"), key, KEY),
        refused(key_at, json!("1234abcd-12ab-34cd-56ef-1234567890a"), key, KEY),
        refused(key_at, json!("mrk-1234"), key, KEY),
        refused(key_at, json!("alias/my key"), key, KEY_PATH),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:grant/ami"),
            key,
            KEY_PATH,
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab"),
            key,
            "kmsKeyID must have a whole key ID after key/",
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            key_at,
            json!("arn:aws-cn:kms:eu-west-1:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            "spec.defaults.regions[0].kmsKeyID",
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("1234abcd-12ab-34cd-56ef-1234567890ab"),
            defaults,
            "write an alias that each account has, or the key's ARN",
        ),
        refused(
            "/spec/defaults/regions/0/name",
            json!("cn-north-1"),
            defaults,
            "give those accounts their own regions, or correct their roleARN",
        ),
        refused(
            "/spec/defaults/regions",
            None,
            "spec.accounts",
            "accounts must each have regions or allRegions when defaults has neither",
        ),
    ]
}
