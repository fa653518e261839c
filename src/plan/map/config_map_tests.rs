use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn pair(number: usize) -> Pair {
    Pair {
        account_id: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        source_image_id: format!("ami-{number:017x}"),
        source_name: Some(format!("web-{number}")),
        copy_image_id: format!("ami-f{number:016x}"),
        key_arn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
        policy: "production".to_owned(),
    }
}

fn pairs(count: usize) -> Vec<Pair> {
    (0..count).map(pair).collect()
}

fn wanted() -> Wanted<'static> {
    Wanted {
        namespace: "amiseal-system",
        name: "amiseal-images",
        policy: "production",
        owner: Some(OwnerReference {
            kind: "AMIEncryptionPolicy".to_owned(),
            name: "production".to_owned(),
            uid: "uid-1".to_owned(),
            ..OwnerReference::default()
        }),
    }
}

/// The ConfigMap as it is once it was written.
fn written(pairs: &[Pair]) -> ConfigMap {
    match next(&wanted(), pairs, None) {
        Ok(Next::Create(made)) => {
            let mut made = *made;
            made.metadata.resource_version = Some("7".to_owned());
            made
        }
        other => panic!("{other:?}"),
    }
}

fn labelled(mut found: ConfigMap, name: &str, value: Option<&str>) -> ConfigMap {
    let labels = found.metadata.labels.get_or_insert_default();
    match value {
        Some(value) => drop(labels.insert(name.to_owned(), value.to_owned())),
        None => drop(labels.remove(name)),
    }
    found
}

#[test]
fn it_is_looked_at_once_for_many_changes_and_at_once_for_another_policy() {
    let look = |changed, refused| Look {
        generation: Some(3),
        at: 100 * SECOND,
        changed,
        refused,
    };
    for (last, generation, now, expected) in [
        (None, Some(3), 100, 0),
        (Some(look(false, false)), Some(4), 101, 0),
        (Some(look(true, false)), Some(3), 101, 29),
        (Some(look(true, true)), Some(3), 101, 29),
        (Some(look(true, false)), Some(3), 130, 0),
        (Some(look(true, false)), Some(3), 500, 0),
        (Some(look(false, true)), Some(3), 101, 59),
        (Some(look(false, false)), Some(3), 101, 599),
        (Some(look(false, false)), Some(3), 700, 0),
    ] {
        assert_eq!(
            due(last.as_ref(), generation, now * SECOND),
            expected * SECOND,
            "{last:?} at {now}"
        );
    }
}

#[test]
fn it_has_what_the_command_prints_and_is_owned_by_its_policy() {
    let made = written(&pairs(2));
    let data = made.data.expect("texts");
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["amiseal.auto.tfvars", "map.json", "map.yaml"]);
    for (key, form) in KEYS {
        assert_eq!(data[key], render(&pairs(2), form).expect("a text"), "{key}");
    }
    let labels = made.metadata.labels.expect("labels");
    assert_eq!(labels["amiseal.dev/policy"], "production");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "amiseal");
    let owners = made.metadata.owner_references.expect("an owner");
    assert_eq!((owners.len(), owners[0].uid.as_str()), (1, "uid-1"));
}

#[test]
fn it_is_written_where_it_differs_and_left_where_it_is_as_it_should_be_or_is_somebody_elses() {
    let two = written(&pairs(2));
    let with_more = {
        let mut more = two.clone();
        let data = more.data.get_or_insert_default();
        data.insert("notes".to_owned(), "theirs".to_owned());
        labelled(more, "team", Some("web"))
    };
    let emptied = ConfigMap {
        data: None,
        ..two.clone()
    };
    let mut orphaned = two.clone();
    orphaned.metadata.owner_references = None;
    let mut of_former = two.clone();
    of_former.metadata.owner_references.get_or_insert_default()[0].uid = "uid-0".to_owned();
    for (found, differs) in [
        (&two, false),
        (&with_more, false),
        (&written(&pairs(1)), true),
        (&emptied, true),
        (&orphaned, true),
        (&of_former, true),
    ] {
        match next(&wanted(), &pairs(2), Some(found)) {
            Ok(Next::Nothing) => assert!(!differs, "{found:?}"),
            Ok(Next::Apply(made)) => {
                assert!(differs, "{found:?}");
                assert_eq!(made.metadata.resource_version, found.metadata.resource_version);
                assert_eq!(made.data, two.data);
            }
            other => panic!("{found:?}: {other:?}"),
        }
    }
    let other = |policy: Option<&str>| {
        Next::Refuse(Refusal::NotOurs {
            policy: policy.map(str::to_owned),
        })
    };
    for (found, expected) in [
        (ConfigMap::default(), other(None)),
        (labelled(two.clone(), "amiseal.dev/policy", None), other(None)),
        (labelled(two.clone(), "app.kubernetes.io/managed-by", None), other(None)),
        (
            labelled(two.clone(), "app.kubernetes.io/managed-by", Some("Helm")),
            other(None),
        ),
        (
            labelled(two.clone(), "amiseal.dev/policy", Some("staging")),
            other(Some("staging")),
        ),
    ] {
        assert!(!is_ours(&found, "production"));
        assert_eq!(next(&wanted(), &pairs(2), Some(&found)), Ok(expected));
    }
}

#[test]
fn a_map_that_is_too_large_is_not_written_whether_there_was_one_before_or_not() {
    let many = pairs(3000);
    for found in [None, Some(written(&pairs(1)))] {
        match next(&wanted(), &many, found.as_ref()) {
            Ok(Next::Refuse(Refusal::TooLarge { images: 3000, bytes })) => assert!(bytes > LARGEST),
            other => panic!("{other:?}"),
        }
    }
    // As many as the page says.
    assert!(matches!(next(&wanted(), &pairs(1200), None), Ok(Next::Create(_))));
}

#[test]
fn each_refusal_names_the_field_and_the_fix() {
    let not_ours = |policy: Option<&str>| Refusal::NotOurs {
        policy: policy.map(str::to_owned),
    };
    let too_large = Refusal::TooLarge {
        images: 3000,
        bytes: 2_000_000,
    };
    for (message, fix) in [
        (not_ours(None).message(&wanted()), "name another one, or delete it."),
        (
            not_ours(Some("staging")).message(&wanted()),
            "policy staging: name another one.",
        ),
        (
            too_large.message(&wanted()),
            "use amiseal map, or divide the accounts among several policies.",
        ),
        (
            wanted().forbidden("no."),
            "set promotionMap.enabled of the chart to true",
        ),
    ] {
        assert!(message.starts_with("promotion.map.configMap: "), "{message}");
        assert!(message.contains("ConfigMap amiseal-system/amiseal-images"), "{message}");
        assert!(message.contains(fix), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_written_is_not_written_again_and_is_never_larger_than_kubernetes_takes(count in 0_usize..2500) {
        let pairs = pairs(count);
        match next(&wanted(), &pairs, None).expect("texts") {
            Next::Create(made) => {
                let bytes: usize = made.data.iter().flatten().map(|(key, text)| key.len() + text.len()).sum();
                prop_assert!(bytes <= LARGEST);
                prop_assert_eq!(next(&wanted(), &pairs, Some(&*made)), Ok(Next::Nothing));
            }
            Next::Refuse(refusal) => prop_assert_eq!(refusal.reason(), reason::TOO_LARGE),
            other => panic!("{other:?}"),
        }
    }
}
