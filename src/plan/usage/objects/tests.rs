use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::Readings;
use crate::plan::testing::{account, at, image_id};
use crate::plan::usage::{Graph, form, graph};

fn kinds() -> Vec<ObjectKind> {
    let ObjectKinds(kinds) = DEFAULT.parse().expect("the default");
    kinds
}

fn node_class(name: &str, spec: &Value, status: &Value) -> Value {
    json!({"metadata": {"name": name}, "spec": spec, "status": status})
}

fn template(name: &str, ami: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "infra"}, "spec": {"template": {"spec": {"ami": ami}}}})
}

/// What was read of these objects of a kind.
fn read(kind: usize, all: &[Value]) -> Objects {
    let kind = &kinds()[kind];
    let mut objects = Objects::default();
    all.iter().for_each(|object| objects.add(kind, object));
    objects.ends(kind);
    objects
}

fn in_graph(objects: &Objects) -> Graph {
    let mut graph = graph(&Readings::default(), &account(), at(100));
    graph.add_objects(objects, at(50), |_| true);
    graph
}

fn users(graph: &Graph, image: u64) -> Vec<String> {
    let consumers = graph
        .consumers(&image_id(image))
        .iter()
        .map(form::ReportedConsumer::from);
    consumers.map(|consumer| form::line(&consumer)).collect()
}

#[test]
fn a_reading_is_as_old_as_its_oldest_part_and_told_from_another_by_when_aws_was_asked() {
    let graph = in_graph(&Objects::default());
    assert_eq!((graph.read_at(), graph.listed_at()), (Some(at(50)), Some(at(100))));
}

#[test]
fn objects_of_karpenter_and_cluster_api_use_what_they_name_and_what_was_found_for_them() {
    let named = |number: u64| image_id(number).to_string();
    let classes = [
        node_class(
            "pinned",
            &json!({"amiSelectorTerms": [{"id": named(1)}, {"tags": {"a": "b"}}]}),
            &json!({"amis": [{"id": named(1)}, {"id": named(2)}, {"id": named(2)}]}),
        ),
        node_class(
            "new",
            &json!({"amiSelectorTerms": [{"alias": "al2023@latest"}]}),
            &json!(null),
        ),
    ];
    let mut objects = read(0, &classes);
    objects.absorb(read(
        1,
        &[template("a", &json!({"id": named(2)})), template("b", &json!({}))],
    ));
    let launches =
        |path: &str| json!({"metadata": {"name": "p", "namespace": "n"}, "spec": {path: {"ami": {"id": named(3)}}}});
    objects.absorb(read(
        2,
        &[json!({"metadata": {"name": "m", "namespace": "n"}, "spec": {"ami": {"id": named(3)}}})],
    ));
    objects.absorb(read(3, &[launches("awsLaunchTemplate")]));
    objects.absorb(read(4, &[launches("awsLaunchTemplate")]));
    let graph = in_graph(&objects);
    assert_eq!(
        users(&graph, 1),
        [
            "KubernetesObject EC2NodeClass/pinned by .spec.amiSelectorTerms[*].id",
            "KubernetesObject EC2NodeClass/pinned by .status.amis[*].id",
        ]
    );
    assert_eq!(
        users(&graph, 2),
        [
            "KubernetesObject AWSMachineTemplate/infra/a by .spec.template.spec.ami.id",
            "KubernetesObject EC2NodeClass/pinned by .status.amis[*].id",
        ]
    );
    assert_eq!(
        users(&graph, 3),
        [
            "KubernetesObject AWSMachine/n/m by .spec.ami.id",
            "KubernetesObject AWSMachinePool/n/p by .spec.awsLaunchTemplate.ami.id",
            "KubernetesObject AWSManagedMachinePool/n/p by .spec.awsLaunchTemplate.ami.id",
        ]
    );
    assert!(graph.unread().is_empty() && graph.unresolved().next().is_none());
    assert_eq!(graph.read_at(), Some(at(50)), "the older of the two readings");
}

#[test]
fn what_is_there_and_is_no_id_of_an_image_is_not_known_and_is_named() {
    for (ami, expected) in [
        (
            json!({"id": "resolve:ssm:/golden"}),
            Some("\"resolve:ssm:/golden\" at .spec.template.spec.ami.id"),
        ),
        (
            json!({"id": "ami-xyz"}),
            Some("\"ami-xyz\" at .spec.template.spec.ami.id"),
        ),
        (
            json!({"id": ["ami-0123456789abcdef0"]}),
            Some("a list at .spec.template.spec.ami.id"),
        ),
        (json!({"id": {}}), Some("an object at .spec.template.spec.ami.id")),
        (json!({"id": 7}), Some("7 at .spec.template.spec.ami.id")),
        (json!([]), Some("a list at .spec.template.spec.ami.id")),
        (json!("golden"), Some("\"golden\" at .spec.template.spec.ami.id")),
        (json!({"id": ""}), None),
        (json!({"id": null}), None),
        (json!({"eksLookupType": "AmazonLinux2023"}), None),
        (json!(null), None),
    ] {
        let graph = in_graph(&read(1, &[template("a", &ami)]));
        let names = graph.unresolved().map(|unresolved| &*unresolved.names).next();
        assert_eq!(names, expected, "{ami}");
        let said = form::unknown(&graph);
        assert_eq!(said.len(), usize::from(expected.is_some()));
        if let (Some(said), Some(expected)) = (said.first(), expected) {
            assert_eq!(said.id.as_deref(), Some("AWSMachineTemplate/infra/a"));
            assert_eq!(
                said.message,
                format!("It names {expected}, which is not the ID of an image.")
            );
        }
        assert!(graph.unread().is_empty());
    }
}

#[test]
fn a_path_that_is_wrong_for_too_many_objects_is_said_once_for_the_kind() {
    let odd = |count: usize| -> Vec<Value> {
        let one = |number: usize| template(&format!("t-{number:03}"), &json!({"id": "golden"}));
        (0..count).map(one).collect()
    };
    let few = in_graph(&read(1, &odd(TOO_MANY)));
    assert_eq!((few.unresolved().count(), few.unread().len()), (TOO_MANY, 0));
    let many = in_graph(&read(1, &odd(TOO_MANY + 1)));
    assert_eq!(many.unresolved().count(), 0);
    let problem = &many.unread()[&ConsumerKind::KubernetesObject];
    assert_eq!(
        problem.message,
        "21 things of the kind AWSMachineTemplate name what is not the ID of an image, such as \
         AWSMachineTemplate/infra/t-000, which names \"golden\" at .spec.template.spec.ami.id: correct its paths in \
         clusterConsumers."
    );
}

#[test]
fn what_could_not_be_read_again_stays_as_it_was_and_nothing_of_other_kinds_does() {
    let id = |number: u64| json!({"id": image_id(number).to_string()});
    let mut earlier = read(1, &[template("gone", &id(1)), template("odd", &id(2))]);
    earlier.absorb(read(0, &[node_class("kept", &json!({}), &json!({"amis": [id(3)]}))]));
    let earlier = in_graph(&earlier);

    let mut now = read(1, &[template("odd", &json!("golden"))]);
    now.could_not_read(&kinds()[0], &Failure::Unanswered("it answers 503".to_owned()));
    assert!(now.passes() && !now.is_whole());
    let mut now = in_graph(&now);
    now.keep(&earlier);
    assert_eq!(
        users(&now, 1),
        Vec::<String>::new(),
        "its kind was read, and it is gone"
    );
    assert_eq!(users(&now, 2).len(), 1, "it is not known what it names now");
    assert_eq!(users(&now, 3).len(), 1, "its kind could not be read");
}

#[test]
fn each_failure_says_what_to_do_and_all_of_them_are_said() {
    let kinds = kinds();
    let mut objects = Objects::default();
    objects.could_not_read(&kinds[0], &Failure::Denied);
    assert!(!objects.passes());
    objects.could_not_read(&kinds[2], &Failure::OtherVersion("v1beta1".to_owned()));
    let problem = objects.problem().expect("a problem");
    assert_eq!(
        problem.message,
        "The cluster has AWSMachine in infrastructure.cluster.x-k8s.io/v1beta1 and not in \
         infrastructure.cluster.x-k8s.io/v1beta2: correct apiVersion in clusterConsumers, and see that the paths hold there. \
         The controller may not list ec2nodeclasses.karpenter.k8s.aws: grant the right list ec2nodeclasses.karpenter.k8s.aws \
         to its service account, as the chart does with rbac.create=true, or take EC2NodeClass out of clusterConsumers."
    );
    // The reason is that of what stays, whichever is said first.
    let of = |failures: [Failure; 2]| {
        let mut objects = Objects::default();
        for (kind, failure) in kinds.iter().zip(&failures) {
            objects.could_not_read(kind, failure);
        }
        objects.problem().map(|problem| problem.reason)
    };
    let unanswered = || Failure::Unanswered("it answers 503".to_owned());
    assert_eq!(of([Failure::Denied, unanswered()]), Some(reason::ACCESS_DENIED));
    assert_eq!(of([unanswered(), Failure::Denied]), Some(reason::ACCESS_DENIED));
    assert_eq!(of([unanswered(), unanswered()]), Some(reason::TRANSIENT_ERROR));
    let graph = in_graph(&objects);
    assert_eq!(
        graph.unread().keys().collect::<Vec<_>>(),
        [&ConsumerKind::KubernetesObject]
    );
}

#[test]
fn a_kind_is_served_where_both_names_fit_and_a_slip_in_one_is_not_taken_for_nothing() {
    let kind = &kinds()[0];
    let of = |served: &[(&'static str, &'static str)]| is_served(kind, served.iter().copied());
    assert_eq!(of(&[("ec2nodeclasses", "EC2NodeClass")]), Ok(true));
    assert_eq!(
        of(&[("others", "Other"), ("ec2nodeclasses/status", "EC2NodeClass")]),
        Ok(false)
    );
    let other = |kind: &str, plural: &str| Err(Failure::OtherName(kind.to_owned(), plural.to_owned()));
    assert_eq!(
        of(&[("nodeclasses", "EC2NodeClass")]),
        other("EC2NodeClass", "nodeclasses")
    );
    assert_eq!(
        of(&[("ec2nodeclasses", "NodeClass")]),
        other("NodeClass", "ec2nodeclasses")
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        (1u64..4).prop_map(|number| json!(image_id(number).to_string())),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        let names = prop_oneof![
            Just("metadata"),
            Just("name"),
            Just("namespace"),
            Just("labels"),
            Just("annotations"),
            Just("ownerReferences"),
            Just("spec"),
            Just("status"),
            Just("amis"),
            Just("id"),
            Just("ami"),
            Just("template"),
            Just("amiSelectorTerms"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_stands_at_a_path_is_a_use_or_unknown_or_nothing(object in any_json()) {
        for kind in &kinds() {
            let mut objects = Objects::default();
            objects.add(kind, &object);
            let stands = kind.paths.iter().flat_map(|path| path.values(&object));
            let is_none = |value: &&Value| value.as_str().is_some_and(|text| text.trim().is_empty());
            let is_something = stands.filter(|value| !is_none(value)).count() > 0;
            prop_assert_eq!(is_something, objects.users().next().is_some() || objects.unresolved().next().is_some());
        }
    }
}
