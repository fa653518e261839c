//! Every field of a policy, changed in every way that its schema allows and in some that it does not, and changed back:
//! each change reaches the targets that it should and no others, or is refused in a sentence; restoring restores.
//!
//! Each change that is accepted takes until the controllers have settled: of those a few of each field are made, and all with
//! `AMISEAL_EVERY_CHANGE=1`, as `make fields` has it.

mod agreement;
mod fields;
mod mutate;
mod stage;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ec2sim::{Check, Server};
use futures::future::join_all;
use serde_json::Value;

use crate::mutate::{Answer, Mutation, Walk};
use crate::stage::Lane;
use crate::watch::{Policy, Settled, View, Way};

/// What targets carry on as it is, in whichever way it is written.
const CARRIED: [&str; 5] = ["audit", "consumers", "guardrails", "promotion", "validation"];

/// How many changes of a field that are accepted are made where not all are.
const A_FEW: usize = 2;

/// So many policies are changed at a time, each with accounts of its own.
const LANES: usize = 16;

fn schema() -> Value {
    let crds = amiseal::api::crds();
    let policy = crds
        .iter()
        .find(|crd| crd.spec.names.kind == "AMIEncryptionPolicy")
        .expect("a definition");
    let mut schema = serde_json::to_value(&policy.spec.versions[0].schema).expect("JSON");
    let spec = &mut schema["openAPIV3Schema"]["properties"]["spec"];
    let fields = spec["properties"].as_object_mut().expect("fields");
    // Accounts that are not listed any more stay for a while, whatever the policy says by then: to restore it restores no targets. The
    // scenarios of `organizations.rs` and the refusals of `policy_validation` have these fields.
    assert!(fields.remove("accountsFrom").is_some());
    // So do regions that are not enabled any more: see the scenarios of `regions.rs`.
    for of in ["/defaults/properties", "/accounts/items/properties"] {
        let fields = spec["properties"].pointer_mut(of).and_then(Value::as_object_mut);
        assert!(fields.expect("fields").remove("allRegions").is_some());
    }
    spec.take()
}

/// What came of the mutations of a lane.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: usize,
    asked: usize,
    /// By field: whether a change of it was refused, reached targets, and showed in the counts.
    fields: BTreeMap<String, Seen>,
    failures: Vec<String>,
}

#[derive(Default, Clone, Copy)]
struct Seen {
    mutations: usize,
    refused: bool,
    reached: bool,
    counted: bool,
}

fn is_every_change_made() -> bool {
    std::env::var_os("AMISEAL_EVERY_CHANGE").is_some()
}

/// What is refused, which takes nothing, and a few changes of each field that are not.
fn some_of(mutations: Vec<Mutation>) -> Vec<Mutation> {
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    let is_chosen = |mutation: &Mutation| {
        let takes_nothing = mutation.answer == Answer::Refused || mutation.only_asked;
        takes_nothing || {
            let count = accepted.entry(mutation.field.clone()).or_default();
            *count += 1;
            *count <= A_FEW
        }
    };
    mutations.into_iter().filter(is_chosen).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_field_reaches_its_targets_or_is_refused_and_restoring_restores() {
    let began = Instant::now();
    let mut walk = Walk::over(&schema(), &stage::base());
    if !is_every_change_made() {
        walk.mutations = some_of(walk.mutations);
    }
    let known: Vec<&str> = fields::ALL.iter().map(|field| field.path).collect();
    let leaves: Vec<&String> = walk.fields.iter().collect();
    assert_eq!(leaves, known, "the schema's fields and the table's");
    assert_eq!(
        walk.fields, walk.present,
        "the policy that all others differ from has every field"
    );

    let server = Server::on_loopback(stage::world(LANES)).expect("a port");
    let client = rig::shared().await.admin_client().await.expect("a client");
    let view = View::new(&client);
    let lanes = (0..LANES).map(|lane| {
        let way = if lane % 2 == 0 { Way::Apply } else { Way::Replace };
        let policy = Policy::new(&client, &view, Lane(lane), way);
        // What adds or takes away is done in both ways, every other text or number, and what is carried on, in one of them.
        let numbered = walk.mutations.iter().enumerate();
        let in_one_way = numbered.clone().filter(|(number, _)| number % LANES == lane);
        let is_carried = |field: &str| CARRIED.iter().any(|part| field.starts_with(part));
        let in_both = numbered.filter(|(number, mutation)| {
            let is_asked = is_every_change_made() && number % LANES == lane ^ 1;
            is_asked && mutation.restructures() && !is_carried(&mutation.field)
        });
        let mine: Vec<Mutation> = in_one_way
            .chain(in_both)
            .map(|(_, mutation)| mutation.clone())
            .collect();
        run_lane(policy, mine)
    });
    let tallies = tokio::select! {
        ended = stage::run(&server) => panic!("the controllers ended: {ended:?}"),
        tallies = join_all(lanes) => tallies,
    };
    let mut all = Tally::default();
    for tally in tallies {
        all.accepted += tally.accepted;
        all.refused += tally.refused;
        all.asked += tally.asked;
        all.failures.extend(tally.failures);
        for (field, seen) in tally.fields {
            let sum = all.fields.entry(field).or_default();
            sum.mutations += seen.mutations;
            sum.refused |= seen.refused;
            sum.reached |= seen.reached;
            sum.counted |= seen.counted;
        }
    }
    report(&all, began);
    let audit = server.sim().audit();
    // Changed roles are denied, as they should be. Nothing else may be wrong: no image has two copies, least of all.
    let wrong: Vec<_> = audit
        .findings
        .iter()
        .filter(|finding| finding.check != Check::DeniedCall)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!(
        "{} copies were needed, {} made",
        audit.totals.copies_needed, audit.totals.copies_made
    );
    assert!(all.failures.is_empty(), "{}", all.failures.join("\n\n"));
    for field in fields::ALL {
        let seen = all.fields.get(field.path).copied().unwrap_or_default();
        // `defaults` cannot be taken away as a whole, since some account needs its regions.
        let within = |(path, seen): (&String, &Seen)| path.starts_with(field.path) && seen.reached;
        assert!(
            all.fields.iter().any(within) != field.reaches.is_empty() || !is_every_change_made(),
            "no change of {} reached a target, or one of what is of no target did",
            field.path
        );
        assert!(seen.refused, "no change of {} was refused", field.path);
        assert!(
            seen.counted || !field.counted || !is_every_change_made(),
            "no change of {} showed in the counts",
            field.path
        );
    }
}

fn report(all: &Tally, began: Instant) {
    println!("{:42} {:>9}  refused  reached  counted", "field", "mutations");
    for (field, seen) in &all.fields {
        let mark = |is: bool| if is { "yes" } else { "-" };
        println!(
            "{field:42} {:>9}  {:7}  {:7}  {}",
            seen.mutations,
            mark(seen.refused),
            mark(seen.reached),
            mark(seen.counted)
        );
    }
    println!(
        "{} fields, {} mutations in {:.0?}: {} accepted and restored, {} only asked for, {} refused",
        all.fields.len(),
        all.accepted + all.refused + all.asked,
        began.elapsed(),
        all.accepted,
        all.asked,
        all.refused,
    );
}

/// Makes and undoes each mutation.
async fn run_lane(policy: Policy, mutations: Vec<Mutation>) -> Tally {
    let base = stage::base();
    // What is published before a proof is asked for is not proven.
    let mut unproven = base.clone();
    if let Some(spec) = unproven.as_object_mut() {
        spec.remove("validation");
    }
    let first = policy.put(&unproven, false).await.expect("a policy without proofs");
    let is_done = |now: &Settled| {
        // What is not published yet would have to be proven.
        let is_done = now.images["superseded"] == 7 && now.migrations.len() == 7 && now.completed == 7;
        if now.ready && is_done {
            Ok(())
        } else {
            Err(format!("{} {} {} {}", now.ready, now.reason, now.images, now.completed))
        }
    };
    policy.settled("the policy without proofs", first, is_done).await;
    let first = policy
        .put(&base, false)
        .await
        .expect("the policy that all others differ from");
    let mut before = policy.settled("the policy before any change", first, is_done).await;
    // Later on there may be more, of images that were selected for a while.
    let wanted: BTreeSet<String> = before.migrations.keys().cloned().collect();
    let mut tally = Tally::default();
    let mut mutations = mutations.into_iter().peekable();
    while let Some(mutation) = mutations.next() {
        let changed = mutation.of(&base);
        // What the schema does not know is refused only where strictness can be asked for.
        if changed == base || mutation.kind == "unknown field" && policy.way == Way::Replace {
            continue;
        }
        let line = format!("{} {}", policy.lane.name(), mutation.line());
        let seen = tally.fields.entry(mutation.field.clone()).or_default();
        seen.mutations += 1;
        let generation = policy.generation().await;
        let changed = match policy.put(&changed, mutation.only_asked).await {
            Err(causes) => {
                tally.refused += 1;
                seen.refused = true;
                if mutation.answer == Answer::Accepted {
                    tally.failures.push(format!("{line}: refused with {causes:?}"));
                }
                if !causes
                    .iter()
                    .any(|cause| is_a_sentence(&mutation, &cause.field, &cause.message))
                {
                    tally
                        .failures
                        .push(format!("{line}: refused without a sentence: {causes:?}"));
                }
                assert_eq!(
                    policy.generation().await,
                    generation,
                    "{line}: was refused and changed something"
                );
                continue;
            }
            Ok(generation) if mutation.answer == Answer::Refused => {
                tally.failures.push(format!("{line}: accepted"));
                generation
            }
            Ok(_) if mutation.only_asked => {
                tally.asked += 1;
                continue;
            }
            Ok(generation) => generation,
        };
        tally.accepted += 1;
        let after = policy.settled(&line, changed, |_| Ok(())).await;
        let reached = differences(&before.asked, &after.asked);
        let row = fields::of(&mutation.field);
        if reached.is_empty() && !may_change_nothing(&mutation) {
            tally.failures.push(format!("{line}: accepted, and nothing changed"));
        }
        for field in &reached {
            let known = row
                .reaches
                .iter()
                .any(|known| field == known || field.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')));
            if !known {
                tally.failures.push(format!("{line}: reached {field} too"));
            }
        }
        seen.reached |= !reached.is_empty();
        seen.counted |= after.images != before.images;
        unmoved(&before, &after, &wanted, &line, &mut tally.failures);
        // The next change of the policy that all others differ from restores this one too, and shows it if it does not.
        let stays = !mutation.restructures() && !reached.contains(fields::WHICH) && after.images == before.images;
        if stays && mutations.peek().is_some() {
            continue;
        }

        let back = policy.put(&base, false).await.expect("the policy is restored");
        let restored = policy
            .settled(&format!("{line}, restored"), back, |now| {
                let missing: Vec<_> = wanted
                    .iter()
                    .filter(|name| !now.migrations.contains_key(*name))
                    .collect();
                if !now.ready || now.images != before.images || !missing.is_empty() {
                    return Err(format!(
                        "{} {} {} not {}, missing {missing:?}",
                        now.ready, now.reason, now.images, before.images
                    ));
                }
                Ok(())
            })
            .await;
        unmoved(&before, &restored, &wanted, &line, &mut tally.failures);
        for (name, (_, _, spec)) in &before.targets {
            if restored.targets.get(name).map(|row| row.2.to_string()) != Some(spec.to_string()) {
                tally.failures.push(format!("{line}: {name} is not restored"));
            }
            // It was not to be touched at all.
            if after.targets.contains_key(name) && restored.targets[name].0 != before.targets[name].0 {
                tally.failures.push(format!("{line}: {name} was made again"));
            }
        }
        before = restored;
    }
    tally
}

/// Targets that both states have are the same objects, with a new generation only for a new spec, and their
/// migrations are untouched. Those of images that were selected for a while may go.
fn unmoved(before: &Settled, after: &Settled, wanted: &BTreeSet<String>, line: &str, failures: &mut Vec<String>) {
    for (name, (uid, generation, spec)) in &before.targets {
        let Some((now, generation_now, spec_now)) = after.targets.get(name) else {
            continue;
        };
        if uid != now {
            continue;
        }
        if spec == spec_now && before.asked.get(name) == after.asked.get(name) && generation > generation_now {
            failures.push(format!("{line}: {name} went back in time"));
        }
        let ours = before.migrations.iter().filter(|(_, row)| row.1 == *uid);
        for (migration, (id, owner, spec)) in ours.filter(|(name, _)| wanted.contains(*name)) {
            let same = after.migrations.get(migration);
            if same.is_none_or(|(id_now, owner_now, spec_now)| (id_now, owner_now, spec_now) != (id, owner, spec)) {
                failures.push(format!("{line}: {migration} was {spec} and is {same:?}"));
            }
        }
    }
}

/// The fields of targets' specs in which two expansions differ, and [`fields::WHICH`].
fn differences(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if before.keys().ne(after.keys()) {
        found.insert(fields::WHICH.to_owned());
    }
    for (name, spec) in before {
        if let Some(now) = after.get(name) {
            compare(spec, now, String::new(), &mut found);
        }
    }
    found
}

fn compare(before: &Value, after: &Value, path: String, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&before[key], &after[key], path, found);
            }
        }
        _ if before == after => {}
        _ => drop(found.insert(path)),
    }
}

/// Whether a policy means the same afterwards: the order of accounts and regions says nothing, and a field that is gone
/// has its default.
fn may_change_nothing(mutation: &Mutation) -> bool {
    let ordered = mutation.field == "accounts" || mutation.field.ends_with("regions");
    let has_default = mutation.field == "suspend" && matches!(mutation.kind, "deleted" | "null");
    let is_of_no_target = fields::of(&mutation.field).reaches.is_empty();
    ordered && mutation.kind == "reversed" || has_default || is_of_no_target
}

/// Whether a refusal names the place, or one that a rule ties to it, and says something.
fn is_a_sentence(mutation: &Mutation, field: &str, message: &str) -> bool {
    let top = mutation
        .place
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let named = field.starts_with("spec") || field.is_empty() && message.contains(top);
    named && message.split_whitespace().count() >= 2
}

#[test]
fn what_the_controllers_make_of_each_field_is_shown_by_a_scenario() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut sources = String::new();
    for directory in [directory.clone(), directory.join("reasons")] {
        for entry in std::fs::read_dir(directory).expect("scenarios") {
            let path = entry.expect("a file").path();
            if path.is_file() {
                sources += &std::fs::read_to_string(path).expect("a source");
            }
        }
    }
    for field in fields::ALL {
        for test in field.acted_on {
            assert!(
                sources.contains(&format!("async fn {test}(")),
                "{}: there is no scenario {test}",
                field.path
            );
        }
    }
}
