//! Texts that each field of a policy's spec takes and does not, and what its lists are grown by.

use serde_json::{Value, json};

/// Texts for a field: those that it takes, and those that it refuses.
pub(crate) struct Texts {
    pub(crate) good: Vec<Value>,
    pub(crate) bad: Vec<Value>,
}

/// Texts of every script, and signs that are not to be seen.
pub(crate) const SCRIPTS: [&str; 6] = [
    "im\u{1F980}ge",
    "\u{202E}\u{05E2}\u{05D1}\u{05E8}",
    "e\u{301}\u{302}\u{303}",
    "bell\u{7}tab\tline\n",
    "\u{FEFF}\u{200B}",
    "\u{65E5}\u{672C}\u{FF11}",
];

/// The texts of a field that holds texts, or a list or map of them.
pub(crate) fn texts(path: &str) -> Texts {
    let scripts = || SCRIPTS.iter().map(|text| json!(text));
    let of = |good: &[&str], bad: &[&str]| Texts {
        good: good.iter().map(|text| json!(text)).collect(),
        bad: bad.iter().map(|text| json!(text)).chain(scripts()).collect(),
    };
    let long = |sign: &str, count: usize| sign.repeat(count);
    match path {
        "scanInterval" => of(
            &["1m", "24h", "1h30m", "3600s", "00001h"],
            &[
                "",
                "59s",
                "24h1s",
                "1m30h",
                "15",
                "-15m",
                "1.5h",
                "000001h",
                "\u{FF11}m",
                " 15m",
                "15m\n",
            ],
        ),
        "newImages.lookEvery" => of(
            &["30s", "1h", "90s", "00001h"],
            &["", "9s", "1h1s", "1m30h", "60", "-1m", "0.5h", "1m\n"],
        ),
        "historyTTL"
        | "unused.after"
        | "audit.maxImageAge"
        | "audit.maxScanAge"
        | "audit.maxFixAvailable.critical"
        | "audit.maxFixAvailable.high"
        | "audit.maxFixAvailable.medium"
        | "audit.maxFixAvailable.low"
        | "audit.maxFixAvailable.informational" => of(
            &["24h", "720h", "1440m", "86400s", "99999h"],
            &["", "23h59m59s", "1d", "30", "720", "-24h", "100000h", "24h\n"],
        ),
        "accounts[].accountID" => of(
            &["<D>"],
            &[
                "",
                "11112222333",
                "1111222233334",
                "\u{FF11}\u{FF11}1122223333",
                "11112222333\n",
            ],
        ),
        "accounts[].externalID" | "defaults.externalID" => of(
            &["xy", "a.b:c/d-e_f=g@h,i+", &long("e", 1224)],
            &["", "x", "two words", "line\n"],
        ),
        "accounts[].roleName" | "defaults.roleName" => of(
            &["r", "teams/of/amiseal", &long("r", 192)],
            &["", "/amiseal", "amiseal/", "a//b", "a b", "arn:aws:iam::<A>:role/own"],
        ),
        "accounts[].roleARN" => of(
            &["arn:aws:iam::<A>:role/other", "arn:aws:iam::<A>:role/teams/other"],
            &[
                "",
                "other",
                "arn:aws:iam::<D>:role/own",
                "arn:aws-cn:iam::<A>:role/own",
                "arn:aws:iam::<A>:user/own",
                "arn:aws:iam::<A>:role/",
            ],
        ),
        "accounts[].regions[].name" | "defaults.regions[].name" => of(
            &["ap-south-1"],
            &["", "eu-west-1a", "EU-WEST-1", "eu_west_1", "eu-west", "eu-west-1\n"],
        ),
        "accounts[].regions[].kmsKeyID" => of(
            &[
                "alias/again",
                "alias/none",
                "alias/aws/ebs",
                "11111111-1111-4111-8111-111111111111",
                "mrk-1234abcd12ab34cd56ef1234567890ab",
            ],
            KEY_REFUSED,
        ),
        "defaults.regions[].kmsKeyID" => of(
            &["alias/again", "alias/none"],
            &[KEY_REFUSED, &["11111111-1111-4111-8111-111111111111"]].concat(),
        ),
        "copy.namePattern" => of(
            &[
                "{name}",
                "{sourceID}",
                "a (copy) [of] {name}/it's_@1.0",
                &format!("{{name}}{}", long("x", 122)),
            ],
            &["", "encrypted", "{name}:", "{name", "{accountID}-{name}", "{name}\n"],
        ),
        "imageSelector.include[].names[]" | "imageSelector.exclude[].names[]" => Texts {
            good: [json!("db-*"), json!("*"), json!("?")]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "imageSelector.include[].ids[]" | "imageSelector.exclude[].ids[]" => of(
            &["ami-0123abcd", "ami-0123456789abcdef0"],
            &[
                "",
                "ami-",
                "ami-0123ABCD",
                "ami-0123abc",
                "snap-0123abcd",
                "ami-0123abcd\n",
            ],
        ),
        "imageSelector.include[].tags{}"
        | "imageSelector.exclude[].tags{}"
        | "consumers.ownedBy{}"
        | "copy.extraTags{}" => Texts {
            good: [json!(""), json!(long("v", 256))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![],
        },
        "promotion.instanceRefresh.instanceWarmup" => of(&["0s", "24h"], &["", "24h1s", "1d", "30", "5m\n"]),
        "promotion.instanceRefresh.checkpointDelay" | "promotion.instanceRefresh.bakeTime" => {
            of(&["0s", "48h"], &["", "48h1s", "1d", "30", "5m\n"])
        }
        "promotion.instanceRefresh.alarms[]" => Texts {
            good: [json!("errors"), json!(long("a", 255))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "validation.launch.instanceType" => of(
            &["t3.micro", "u-6tb1.56xlarge", "m7i-flex.large"],
            &["", "t3", "T3.nano", ".nano", "t3.nano\n"],
        ),
        "validation.launch.subnetID" => of(
            &["subnet-0123abcd", "subnet-0123456789abcdef1"],
            &["", "subnet-", "subnet-0123ABCD", "vpc-0123abcd", "subnet-0123abcd\n"],
        ),
        "validation.launch.securityGroupIDs[]" => of(
            &["sg-0123abcd", "sg-0123456789abcdef1"],
            &["", "sg-", "default", "sg-0123ABCD", "sg-0123abcd\n"],
        ),
        "validation.launch.timeout" => of(
            &["2m", "1h", "3600s", "2m30s"],
            &["", "1m59s", "1h1s", "10", "-5m", "5m\n"],
        ),
        "validation.job.cronJob" => of(
            &["smoke-test", "a.b-c.0", &long("c", 52)],
            &["", "Scan", "scan_image", "-scan", "scan-", "a..b", "scan\n"],
        ),
        "validation.job.timeout" => of(
            &["1m", "24h", "3600s", "1h30m"],
            &["", "59s", "24h1s", "1d", "10", "-5m", "5m\n"],
        ),
        "validation.inspector.timeout" => of(
            &["15m", "168h", "90m", "86400s"],
            &["", "14m59s", "168h1s", "7d", "24", "-24h", "24h\n"],
        ),
        "audit.requiredTags[]" => Texts {
            good: [json!("team"), json!(long("t", 127))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "audit.trustedOwners[]" => of(
            &["111122223333", "amazon", "aws-marketplace", "self"],
            &[
                "",
                "canonical",
                "11112222333",
                "1111222233334",
                "111122223333\n",
                "Amazon",
            ],
        ),
        "audit.allowedSharing[]" => of(
            &[
                "111122223333",
                "arn:aws:organizations::111122223333:ou/o-a1b2c3d4e5/ou-ab12-c3d4e5f6",
                "arn:aws-us-gov:organizations::111122223333:organization/o-a1b2c3d4e5",
            ],
            &[
                "",
                "all",
                "o-a1b2c3d4e5",
                "11112222333",
                "arn:aws:iam::111122223333:role/amiseal",
                "arn:aws:organizations::111122223333:root/o-a1b2c3d4e5/r-ab12",
                "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5\n",
            ],
        ),
        "guardrails.allowedImages.criteria[].imageProviders[]" => of(
            &["444455556666", "aws-backup-vault"],
            &["", "canonical", "Amazon", "11112222333", "111122223333\n"],
        ),
        "guardrails.allowedImages.criteria[].imageNames[]" => of(
            &["golden-*", "a (b) [c] ./d-'e'@f_g", "a??", &long("n", 128)],
            &["", "a?", "a:b", "a&b", "golden\n"],
        ),
        "guardrails.allowedImages.criteria[].marketplaceProductCodes[]" => {
            of(&["abc123", &long("c", 25)], &["", "a-b", "abc\n"])
        }
        "guardrails.allowedImages.criteria[].imageWatermarks[].watermarkKey" => {
            of(&["111122223333:golden", "*:gold-?"], &[""])
        }
        "guardrails.allowedImages.criteria[].imageWatermarks[].sourceImageRegion" => of(&["eu-*", "us-east-1"], &[""]),
        "promotion.map.configMap" => of(
            &["m", "amiseal.images-2", &long("m", 253)],
            &["", "Images", "-a", "a-", "a..b", "a_b", "amiseal-system/a", "images\n"],
        ),
        "promotion.map.ssmPrefix" => of(
            &[
                "/a",
                "/Amiseal/im_a.g-es",
                &format!("/{}", long("p", 511)),
                &long("/l", 14),
            ],
            &[
                "",
                "/",
                "amiseal",
                "/amiseal/",
                "/a//b",
                "/a b",
                "/aws/images",
                "/SSM",
                "/awesome-aws/\u{e9}",
                "/Awsome",
                &long("/l", 15),
                "/amiseal\n",
            ],
        ),
        "promotion.schedule.duration" => of(
            &["5m", "168h", "90m"],
            &["", "4m59s", "169h", "1d", "30", "-24h", "24h\n"],
        ),
        "promotion.seal" => of(
            &["a (b) [c] ./d-'e'@f_g", &long("s", 128)],
            &["", "ab", "a:b", "sealed\n"],
        ),
        "promotion.failuresAcknowledgedAt" => of(
            &["2026-11-29T20:00:00Z"],
            &[
                "",
                "2026-11-29",
                "2026-13-29T20:00:00Z",
                "2026-11-29T20:00:00+01:00",
                "2026-11-29T20:00:00Z\n",
            ],
        ),
        "promotion.schedule.cron" => of(
            &["* * * * *", "*/10 8-17/2 1,15 JAN-JUN MON,WED,7"],
            &[
                "",
                "@daily",
                "60 9 * * *",
                "0 24 * * *",
                "0 9 * *",
                "0 9 0 * *",
                "0  9 * * *",
                "0 9 * * 8",
                "0 9 * * *\n",
            ],
        ),
        "promotion.schedule.timeZone" => of(
            &["Etc/GMT+1", "America/Argentina/Buenos_Aires"],
            &["", "Europe/", "/Berlin", "Europe Berlin", "UTC\n"],
        ),
        "audit.disabledChecks[]" => of(
            &["public-image", "missing-tags"],
            &["", "public", "Public-Image", "public-image\n", "public_image"],
        ),
        other => panic!("{other} is a new text: say in this test what it takes and what not"),
    }
}

const KEY_REFUSED: &[&str] = &[
    "",
    "ami",
    "alias/",
    "alias/my key",
    "arn:aws:kms:eu-west-9:<A>:alias/ami",
    "arn:aws-cn:kms:eu-west-1:<A>:alias/ami",
    "arn:aws:kms:eu-west-1:<A>:key/1234abcd",
    "alias/ami\n",
];

/// The item of this number that a list may be grown by.
pub(crate) fn item(path: &str, number: usize) -> Value {
    match path {
        "accounts" => json!({"accountID": format!("8{number:011}")}),
        "accounts[].regions" | "defaults.regions" => {
            json!({"name": format!("ap-east-{number}"), "kmsKeyID": "alias/ami"})
        }
        "imageSelector.include" | "imageSelector.exclude" => json!({"names": [format!("more-{number}")]}),
        "imageSelector.include[].names" | "imageSelector.exclude[].names" => json!(format!("more-{number}")),
        "imageSelector.include[].ids" | "imageSelector.exclude[].ids" => json!(format!("ami-{number:08x}")),
        "audit.requiredTags" => json!(format!("more-{number}")),
        "audit.trustedOwners" | "audit.allowedSharing" => json!(format!("8{number:011}")),
        "guardrails.allowedImages.criteria" => json!({"imageNames": [format!("more-{number}")]}),
        "guardrails.allowedImages.criteria[].imageProviders" => json!(format!("8{number:011}")),
        "guardrails.allowedImages.criteria[].imageNames" => json!(format!("more-{number}")),
        "guardrails.allowedImages.criteria[].marketplaceProductCodes" => json!(format!("more{number}")),
        "guardrails.allowedImages.criteria[].imageWatermarks" => json!({"watermarkKey": format!("8{number:011}:more")}),
        "promotion.instanceRefresh.alarms" => json!(format!("more-{number}")),
        "promotion.instanceRefresh.checkpointPercentages" => json!(number % 100 + 1),
        "validation.launch.securityGroupIDs" => json!(format!("sg-{number:08x}")),
        "audit.disabledChecks" => json!(amiseal::api::CHECKS[number % amiseal::api::CHECKS.len()]),
        other => panic!("{other} is a new list: say in this test what its items look like"),
    }
}
