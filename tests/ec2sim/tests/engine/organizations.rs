//! Organizations: who may list an organization, which pages it comes in, and what becomes of its accounts.

use ec2sim::{Act, Edit, FaultRule, Sim, WorldSpec};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Client, MANAGER, OTHER, OTHER_ACCOUNT, OWNER, Reply, client, world, yaml};

const HOME: &str = "us-east-1";
const MANAGEMENT: &str = "333333333333";

/// A world in which 333333333333 manages an organization of thirty accounts, and 111111111111 may list it.
fn organized(settings: &str) -> Sim {
    world(&described(settings))
}

fn described(settings: &str) -> String {
    let many: Vec<String> = (0..26).map(|n| format!("\"{}\"", 500_000_000_000_u64 + n)).collect();
    let organization = format!(
        r#"
organizations:
- id: o-example001
  managementAccount: "{MANAGEMENT}"
  delegatedAdministrators: ["{ACCOUNT}"]
  root: r-root
  accounts: ["{ACCOUNT}"]
  suspended: ["500000000001"]
  units:
  - {{id: ou-root-prod0000, name: production, accounts: [{}]}}
  - {{id: ou-root-shop0000, name: shop, parent: ou-root-prod0000, accounts: ["{OTHER_ACCOUNT}"]}}
  - {{id: ou-root-none0000, name: nothing}}
"#,
        many.join(", ")
    );
    format!("{}{organization}", yaml(settings, "", ""))
}

fn manager(sim: &Sim) -> Client {
    client(sim, MANAGER).in_region(HOME)
}

fn listed(c: &Client, operation: &str, body: &Value, field: &str) -> Vec<Value> {
    c.json_pages(|c, body| c.organizations(operation, body), body, field, "NextToken")
}

fn ids(entries: &[Value]) -> Vec<&str> {
    entries.iter().filter_map(|entry| entry["Id"].as_str()).collect()
}

fn accounts(c: &Client) -> Vec<Value> {
    listed(c, "ListAccounts", &json!({}), "Accounts")
}

fn state(c: &Client, account: &str) -> Value {
    let all = accounts(c);
    let found = all.iter().find(|entry| entry["Id"] == account);
    found.map(|entry| entry["State"].clone()).unwrap_or_default()
}

#[test]
fn the_management_account_lists_all_accounts_units_and_the_root() {
    let sim = organized("");
    let c = manager(&sim);
    let all = accounts(&c);
    assert_eq!(all.len(), 29);
    let first = &all[0];
    assert_eq!(first["Id"], ACCOUNT);
    assert_eq!(
        first["Arn"],
        format!("arn:aws:organizations::{MANAGEMENT}:account/o-example001/{ACCOUNT}")
    );
    assert_eq!(first["State"], "ACTIVE");
    assert!(first.get("Status").is_none());
    assert!(first["JoinedTimestamp"].is_number());
    assert_eq!(state(&c, "500000000001"), "SUSPENDED");
    let roots = listed(&c, "ListRoots", &json!({}), "Roots");
    assert_eq!(ids(&roots), ["r-root"]);
    let below = |parent: &str| {
        let body = json!({ "ParentId": parent });
        let units = listed(&c, "ListOrganizationalUnitsForParent", &body, "OrganizationalUnits");
        let accounts = listed(&c, "ListAccountsForParent", &body, "Accounts");
        let ids = ids(&units).into_iter().map(str::to_owned).collect::<Vec<_>>();
        (ids, accounts.len())
    };
    let named = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(below("r-root"), (named(&["ou-root-none0000", "ou-root-prod0000"]), 2));
    assert_eq!(below("ou-root-prod0000"), (named(&["ou-root-shop0000"]), 26));
    assert_eq!(below("ou-root-shop0000"), (named(&[]), 1));
    assert_eq!(below("ou-root-none0000"), (named(&[]), 0));
    let one = c.organizations("DescribeOrganization", &json!({})).json();
    assert_eq!(one["Organization"]["Id"], "o-example001");
    assert_eq!(one["Organization"]["MasterAccountId"], MANAGEMENT);
    assert!(sim.journal().iter().all(|call| !call.mutating && !call.effect));
}

#[test]
fn pages_may_be_short_empty_and_in_any_order_and_leave_nothing_out() {
    let sim = organized("pagination: {emptyPages: 0.5, unstableOrder: true, missed: 0.5, largestPage: 7}");
    let c = manager(&sim);
    let mut all: Vec<String> = ids(&accounts(&c)).into_iter().map(str::to_owned).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 29);
    let calls = sim.journal().len();
    assert!(calls >= 5, "{calls} pages of at most seven");
    let small = json!({"MaxResults": 3, "ParentId": "ou-root-prod0000"});
    assert_eq!(listed(&c, "ListAccountsForParent", &small, "Accounts").len(), 26);
    for bad in [
        json!({"MaxResults": 21}),
        json!({"MaxResults": 0}),
        json!({"NextToken": "x"}),
    ] {
        assert_eq!(
            c.organizations("ListAccounts", &bad).code(),
            "InvalidInputException",
            "{bad}"
        );
    }
}

#[test]
fn only_the_management_account_and_delegated_administrators_who_may_list_it() {
    let sim = organized("");
    let reads: [(&str, Value); 4] = [
        ("ListAccounts", json!({})),
        ("ListRoots", json!({})),
        ("ListAccountsForParent", json!({"ParentId": "r-root"})),
        ("ListOrganizationalUnitsForParent", json!({"ParentId": "r-root"})),
    ];
    for (operation, body) in &reads {
        let code = |key: &str| client(&sim, key).in_region(HOME).organizations(operation, body).code();
        assert_eq!(code(MANAGER), "OK");
        assert_eq!(code(OWNER), "OK", "delegated");
        assert_eq!(code(OTHER), "AccessDeniedException", "a member");
    }
    let member = client(&sim, OTHER).in_region(HOME);
    assert_eq!(member.organizations("DescribeOrganization", &json!({})).code(), "OK");
    sim.edit(Edit::LeaveOrganization {
        account: OTHER_ACCOUNT.to_owned(),
    })
    .expect("a member");
    let reply = member.organizations("ListAccounts", &json!({}));
    assert_eq!(
        (reply.code().as_str(), reply.status),
        ("AWSOrganizationsNotInUseException", 400)
    );

    // Roles need the actions.
    let answer = client(&sim, MANAGER).sts(
        "AssumeRole",
        &[
            ("RoleArn", "arn:aws:iam::111111111111:role/writer"),
            ("RoleSessionName", "test"),
        ],
    );
    let writer = Client {
        key: answer.one("AccessKeyId"),
        token: Some(answer.one("SessionToken")),
        ..manager(&sim)
    };
    let denied: Reply = writer.organizations("ListAccounts", &json!({}));
    assert_eq!((denied.code().as_str(), denied.status), ("AccessDeniedException", 400));
    assert!(denied.body.contains("organizations:ListAccounts"), "{}", denied.body);
    sim.edit(Edit::SetRoleStatements {
        account: ACCOUNT.to_owned(),
        role: "writer".to_owned(),
        statements: vec![json!({
            "Effect": "Allow",
            "Action": "organizations:ListAccountsForParent",
            "Resource": "arn:aws:organizations::333333333333:ou/o-example001/*",
        })],
    })
    .expect("a role");
    let of = |parent: &str| {
        let body = json!({ "ParentId": parent });
        writer.organizations("ListAccountsForParent", &body).code()
    };
    assert_eq!(of("ou-root-prod0000"), "OK");
    assert_eq!(of("r-root"), "AccessDeniedException");
}

#[test]
fn what_is_not_there_or_asked_for_elsewhere_is_refused_and_calls_are_throttled() {
    let sim = organized("");
    let c = manager(&sim);
    for (parent, code) in [
        ("ou-root-gone0000", "ParentNotFoundException"),
        ("r-gone", "ParentNotFoundException"),
        ("production", "InvalidInputException"),
    ] {
        for operation in ["ListAccountsForParent", "ListOrganizationalUnitsForParent"] {
            let reply = c.organizations(operation, &json!({ "ParentId": parent }));
            assert_eq!((reply.code().as_str(), reply.status), (code, 400), "{parent}");
        }
    }
    let elsewhere = client(&sim, MANAGER).organizations("ListAccounts", &json!({}));
    assert_eq!(
        (elsewhere.code().as_str(), elsewhere.status),
        ("SignatureDoesNotMatch", 403)
    );
    let unknown = c.organizations("CloseAccount", &json!({}));
    assert_eq!(unknown.code(), "UnknownOperationException");
    sim.add_fault(FaultRule {
        service: Some("organizations".into()),
        nth: Some(1),
        act: Act::Throttle,
        ..FaultRule::default()
    });
    let throttled = c.organizations("ListAccounts", &json!({}));
    assert_eq!(
        (throttled.code().as_str(), throttled.status),
        ("TooManyRequestsException", 400)
    );
    let sim = organized("throttling: {enabled: true}");
    let c = manager(&sim);
    let codes = (0..20).map(|_| c.organizations("ListRoots", &json!({})).code());
    assert_eq!(codes.filter(|code| code == "OK").count(), 8);
    // Who is in no organization.
    let sim = super::support::plain();
    let alone = manager(&sim).organizations("ListAccounts", &json!({}));
    assert_eq!(alone.code(), "AWSOrganizationsNotInUseException");
    assert!(sim.world_json().get("organizations").is_none());
}

#[test]
fn accounts_come_go_move_and_are_suspended_and_closed() {
    let sim = organized("");
    let c = manager(&sim);
    let new = "600000000000".to_owned();
    let unit = |id: &str| -> Vec<Value> {
        let body = json!({ "ParentId": id });
        listed(&c, "ListAccountsForParent", &body, "Accounts")
    };
    let join = Edit::JoinOrganization {
        organization: "o-example001".to_owned(),
        parent: "ou-root-none0000".to_owned(),
        account: new.clone(),
    };
    sim.edit(join.clone()).expect("a unit");
    assert_eq!(ids(&unit("ou-root-none0000")), [new.as_str()]);
    assert!(sim.edit(join).is_err(), "it is there already");
    let to = |parent: &str| Edit::MoveAccount {
        account: new.clone(),
        parent: parent.to_owned(),
    };
    assert!(sim.edit(to("ou-root-gone0000")).is_err());
    assert_eq!(unit("ou-root-none0000").len(), 1, "it stays where it is");
    sim.edit(to("r-root")).expect("a root");
    assert_eq!((unit("ou-root-none0000").len(), unit("r-root").len()), (0, 3));
    for to in ["SUSPENDED", "PENDING_CLOSURE", "CLOSED", "ACTIVE"] {
        sim.edit(Edit::SetAccountState {
            account: new.clone(),
            state: to.to_owned(),
        })
        .expect("an account");
        assert_eq!(state(&c, &new), to);
    }
    let odd = Edit::SetAccountState {
        account: new.clone(),
        state: "ASLEEP".to_owned(),
    };
    assert!(sim.edit(odd).is_err());
    sim.edit(Edit::LeaveOrganization { account: new.clone() })
        .expect("a member");
    assert_eq!(state(&c, &new), Value::Null);
    assert!(sim.edit(Edit::LeaveOrganization { account: new }).is_err());
    let manager = Edit::LeaveOrganization {
        account: MANAGEMENT.to_owned(),
    };
    assert!(sim.edit(manager).is_err(), "the management account stays");
}

#[test]
fn an_organization_that_can_not_be_is_refused_and_its_place_is_named() {
    for (from, to, word) in [
        ("id: o-example001", "id: example", "organizations[0].id"),
        ("root: r-root", "root: root", "organizations[0].root"),
        (
            "parent: ou-root-prod0000",
            "parent: ou-gone",
            "organizations[0].units[1].parent",
        ),
        ("[\"222222222222\"]", "[\"111111111111\"]", "is in two places"),
        (
            "  accounts: [\"111111111111\"]",
            "  accounts: [\"111\"]",
            "is not an account ID",
        ),
    ] {
        let text = described("");
        assert!(text.contains(from), "{from}");
        let start = text.find("organizations:\n- id").expect("the organization");
        let (head, tail) = text.split_at(start);
        let spec = WorldSpec::parse(&format!("{head}{}", tail.replace(from, to))).expect("the world parses");
        let error = Sim::stepped(&spec).expect_err("it is refused").to_string();
        assert!(error.contains(word), "{error}");
    }
}
