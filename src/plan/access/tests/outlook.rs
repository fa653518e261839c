//! Who needs the key of which image, and what is said of those who may not use it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::domain::{
    AllowedImages, AllowedState, ConsumerKind, ImageCriterion, ImageRef, LaunchPermission, Launcher, Launches,
    Readings, Region,
};
use crate::plan::access::allowed::Candidate;
use crate::plan::access::foresee::{Ahead, Neighbour, Outlook};
use crate::plan::access::form::{Row, State};
use crate::plan::testing::{at, image, image_id, scope};
use crate::plan::usage::{Graph, graph};

/// What launches image 1 in an account.
fn launchers(of: &[(ConsumerKind, &str)], account: &AccountId) -> Graph {
    let mut readings = Readings::default();
    for (kind, id) in of {
        readings.launchers.push(Launcher {
            kind: *kind,
            id: (*id).into(),
            launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(1))))],
            owner: None,
        });
    }
    readings.group_roles.insert("blue".into(), FOREIGN.into());
    graph(&readings, account, at(0))
}

fn ahead(shared: &[LaunchPermission]) -> Ahead {
    let image = image(1, 1);
    Ahead {
        id: image.id.clone(),
        shared: Some(shared.iter().cloned().collect()),
        original: Candidate::original(&image, &account()),
        copy: Candidate::copy(&image, &account(), "amiseal-web".to_owned(), at(0)),
    }
}

fn rows(graph: &Graph, shared: &[LaunchPermission], neighbours: &[Neighbour<'_>], access: &KeyAccess) -> Vec<Row> {
    let (key, scope, images) = (key(1), scope(), [ahead(shared)]);
    let outlook = Outlook {
        scope: &scope,
        key: facts(&key, access),
        images: &images,
        graph,
        neighbours,
    };
    outlook.rows(at(0))
}

#[test]
fn each_kind_launches_by_the_role_of_its_service_or_by_somebody_of_the_account() {
    use ConsumerKind::*;
    // Of objects of a cluster, which are of no account, AWS tells nothing.
    let of_aws = ConsumerKind::ALL.into_iter().filter(|kind| *kind != KubernetesObject);
    let kinds: Vec<(ConsumerKind, &str)> = of_aws.map(|kind| (kind, "x")).collect();
    let graph = launchers(&kinds, &account());
    let mut needs = who::Needs::new();
    who::add_consumers(&mut needs, &image_id(1), &graph, scope().region.partition());
    let found: BTreeMap<String, Vec<ConsumerKind>> = needs
        .into_iter()
        .map(|(principal, uses)| {
            let name = principal.to_string();
            let name = name.rsplit('/').next().unwrap_or_default().to_owned();
            (name, uses.consumers.into_iter().map(|(kind, _)| kind).collect())
        })
        .collect();
    let expected = [
        (
            "AWSServiceRoleForAutoScaling",
            vec![AutoScalingGroup, NodeGroup, ComputeEnvironment],
        ),
        ("AWSServiceRoleForEC2Fleet", vec![Fleet]),
        ("AWSServiceRoleForEC2Spot", vec![SpotRequest]),
        ("AWSServiceRoleForEC2SpotFleet", vec![SpotFleet]),
        (
            "account 111122223333",
            vec![Instance, LaunchTemplate, LaunchConfiguration, Parameter, Recipe],
        ),
    ];
    assert_eq!(found, expected.map(|(name, kinds)| (name.to_owned(), kinds)).into());
}

#[test]
fn the_role_of_a_service_is_of_the_partition_of_the_region_and_has_the_same_path_in_each() {
    let path = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    for (region, partition) in [
        ("eu-west-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
    ] {
        let graph = launchers(&[(ConsumerKind::AutoScalingGroup, "web")], &account());
        let region: Region = region.parse().expect("a region");
        let mut needs = who::Needs::new();
        who::add_consumers(&mut needs, &image_id(1), &graph, region.partition());
        let roles: Vec<String> = needs.keys().map(ToString::to_string).collect();
        assert_eq!(roles, [format!("arn:{partition}:iam::111122223333:role/{path}")]);
    }
}

#[test]
fn a_group_whose_role_may_not_use_the_key_is_named_with_the_statements_that_let_it() {
    let graph = launchers(
        &[(ConsumerKind::AutoScalingGroup, "web"), (ConsumerKind::Instance, "i-1")],
        &account(),
    );
    let rows = rows(&graph, &[], &[], &access(&[enable_iam()], Vec::new()));
    assert_eq!(rows.len(), 1, "its people may by IAM: {rows:#?}");
    let row = &rows[0];
    assert_eq!((row.state, row.images), (State::Denied, 1));
    assert_eq!(
        (row.principal.as_str(), row.missing.as_slice()),
        (ROLE, NEEDED.as_slice())
    );
    assert_eq!(row.consumers, ["AutoScalingGroup web"]);
    let statements = &row.fix.as_ref().expect("a fix").statements;
    assert_eq!(statements.len(), 2);
    assert_eq!(
        statements[1]["Condition"],
        json!({"Bool": {"kms:GrantIsForAWSResource": "true"}})
    );
    let fixed = access(&[vec![enable_iam()], statements.clone()].concat(), Vec::new());
    assert_eq!(judged(&fixed, &role()), Access::Allowed);
    let text = row.text();
    for part in [
        "neither its policy nor a grant allows",
        "Affected: AutoScalingGroup web.",
        "Add to the key's policy: {",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn of_a_compute_environment_it_is_not_known_by_whom_it_launches() {
    let access = access(&[enable_iam()], Vec::new());
    let batch = (ConsumerKind::ComputeEnvironment, "jobs");
    let rows_of = |of: &[(ConsumerKind, &str)]| rows(&launchers(of, &account()), &[], &[], &access);
    let alone = rows_of(&[batch]);
    assert_eq!((alone.len(), alone[0].state, &alone[0].fix), (1, State::Unknown, &None));
    let with_a_group = rows_of(&[batch, (ConsumerKind::AutoScalingGroup, "web")]);
    assert_eq!((with_a_group.len(), with_a_group[0].state), (1, State::Denied));
}

#[test]
fn accounts_that_a_copy_is_shared_with_need_the_key_and_their_groups_a_grant() {
    let shared = [
        LaunchPermission::Account(other()),
        LaunchPermission::Organization("arn:o".into()),
    ];
    let ours = launchers(&[], &account());
    let theirs = launchers(&[(ConsumerKind::AutoScalingGroup, "blue")], &other());
    let (allowed, id) = (Ok(disabled()), other());
    let neighbour = Neighbour {
        account: &id,
        graph: &theirs,
        allowed: &allowed,
    };
    let none = access(&[enable_iam()], Vec::new());
    let rows_of = |access: &KeyAccess| rows(&ours, &shared, &[neighbour], access);
    let found: Vec<(State, String)> = rows_of(&none)
        .iter()
        .map(|row| (row.state, row.principal.clone()))
        .collect();
    let organization = (State::Unknown, "arn:o".to_owned());
    let expected = [
        (State::Denied, "account 444455556666".to_owned()),
        (State::Denied, FOREIGN.to_owned()),
        organization.clone(),
    ];
    assert_eq!(found, expected);
    // Whoever creates the grant is no service.
    let role = rows_of(&none)
        .into_iter()
        .find(|row| row.principal == FOREIGN)
        .expect("a row");
    let fix = role.fix.as_ref().expect("a fix");
    assert_eq!(fix.statements[1].get("Condition"), None);
    let text = role.text();
    assert!(
        text.contains("Then run in the account 444455556666: aws kms create-grant --region eu-west-1"),
        "{text}"
    );

    let let_in = allow(&json!({"AWS": root(OTHER)}), &json!("kms:*"));
    let rows = rows_of(&access(&[enable_iam(), let_in.clone()], Vec::new()));
    let role = rows.iter().find(|row| row.state == State::Denied).expect("a row");
    let fix = role.fix.as_ref().expect("a fix");
    assert!(fix.statements.is_empty(), "the account may create it: {fix:?}");
    let rows = rows_of(&access(&[enable_iam(), let_in], vec![whole_grant(FOREIGN)]));
    let found: Vec<State> = rows.iter().map(|row| row.state).collect();
    assert_eq!(found, [State::Unknown, State::Delegated]);
}

#[test]
fn an_image_of_which_it_is_not_known_with_whom_it_is_shared_may_be_shared_with_whoever_launches_it() {
    let ours = launchers(&[], &account());
    let theirs = launchers(&[(ConsumerKind::AutoScalingGroup, "blue")], &other());
    let settings = Err(denied(Operation::GetAllowedImagesSettings));
    let id = other();
    let neighbour = Neighbour {
        account: &id,
        graph: &theirs,
        allowed: &settings,
    };
    let (key, scope, access) = (key(1), scope(), access(&[enable_iam()], Vec::new()));
    let found = |shared: Option<BTreeSet<LaunchPermission>>| -> Vec<(State, String)> {
        let images = [Ahead { shared, ..ahead(&[]) }];
        let outlook = Outlook {
            scope: &scope,
            key: facts(&key, &access),
            images: &images,
            graph: &ours,
            neighbours: &[neighbour],
        };
        let rows = outlook.rows(at(0)).into_iter();
        rows.map(|row| (row.state, row.principal)).collect()
    };
    assert_eq!(found(Some(BTreeSet::new())), [], "nobody else can launch it");
    assert_eq!(
        found(None),
        [
            (State::Denied, FOREIGN.to_owned()),
            (State::Unknown, "account 444455556666".to_owned())
        ]
    );
}

fn disabled() -> AllowedImages {
    AllowedImages {
        state: AllowedState::Disabled,
        criteria: Vec::new(),
    }
}

#[test]
fn a_copy_is_refused_by_its_name_where_the_original_was_not() {
    let shared = [LaunchPermission::Account(other())];
    let ours = launchers(&[], &account());
    let let_in = access(&[allow(&json!("*"), &json!("kms:*"))], Vec::new());
    let name = image(1, 1).name.to_string();
    let states = |settings: Result<AllowedImages, AwsError>, shared: &[LaunchPermission]| -> Vec<State> {
        let (id, graph) = (other(), launchers(&[], &other()));
        let neighbour = Neighbour {
            account: &id,
            graph: &graph,
            allowed: &settings,
        };
        let rows = rows(&ours, shared, &[neighbour], &let_in);
        rows.iter()
            .map(|row| row.state)
            .filter(|state| *state != State::Delegated)
            .collect()
    };
    let by_name = |state: AllowedState, name: &str| {
        Ok(AllowedImages {
            state,
            criteria: vec![ImageCriterion {
                names: vec![name.into()],
                ..ImageCriterion::default()
            }],
        })
    };
    assert_eq!(states(by_name(AllowedState::Enabled, &name), &shared), [State::Refused]);
    assert_eq!(
        states(by_name(AllowedState::AuditMode, &name), &shared),
        [State::WouldBeRefused]
    );
    assert_eq!(states(by_name(AllowedState::Enabled, "*"), &shared), []);
    assert_eq!(
        states(by_name(AllowedState::Enabled, "other"), &shared),
        [],
        "so is the original"
    );
    assert_eq!(
        states(by_name(AllowedState::Enabled, &name), &[]),
        [],
        "nobody there launches it"
    );
    assert_eq!(states(Ok(disabled()), &shared), []);
    let unread = states(Err(denied(Operation::GetAllowedImagesSettings)), &shared);
    assert_eq!(unread, [State::Unknown]);
}
