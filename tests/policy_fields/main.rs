//! Every field of a policy, changed in every way that its schema allows and in some that it does not, and changed back:
//! each change reaches the targets that it should and no others, or is refused in a sentence; restoring restores.
//!
//! Each change that is accepted takes until the controllers have settled, and each that is refused several requests. A slice of them is
//! made: of each field one removal, one other change, one text or number that is wrong, and one field within that there is not, drawn by
//! position. So the list of what may be wrong is gone through over the fields, and each field is changed for good once. The removal of
//! what targets carry on as it is (`CARRIED`) is only asked about, and what it would make of the targets worked out from the answer.
//! The slice has some 400 changes, and the controllers settle 140 of them; all are some 1600, most of which they settle and some twice.
//! It takes some 1250 requests of this test, as six policies are changed and not sixteen, and `agreement.rs` asks about the slice alone.
//!
//! All are made with `AMISEAL_EVERY_CHANGE=1`, as `make fields` has it: every text that is good or wrong for each field, every removal for
//! good, each in every place of the spec, in both ways of writing a policy where it adds something or takes something away, and each of
//! these undone by itself. Only there is it asked whether some change of each field reaches targets and shows in the counts.

mod agreement;
mod fields;
mod mutate;
mod stage;
mod values;
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

/// So many policies are changed at a time, each with accounts of its own: half of them in either way. For each one seven images are
/// migrated first, which takes as long as dozens of changes.
fn lanes() -> usize {
    if is_every_change_made() { 16 } else { 6 }
}

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

fn is_carried(field: &str) -> bool {
    CARRIED.iter().any(|part| field.starts_with(part))
}

/// What a change of a field is like: of each sort the slice has one for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Removal,
    Change,
    Wrong,
    Unknown,
    Asked,
}

impl Sort {
    fn of(mutation: &Mutation) -> Self {
        if mutation.kind == "unknown field" {
            Self::Unknown
        } else if mutation.removes() {
            Self::Removal
        } else if mutation.answer == Answer::Refused {
            Self::Wrong
        } else if mutation.only_asked {
            Self::Asked
        } else {
            Self::Change
        }
    }
}

/// A mutation of each sort of each field, and where only the API server need be asked.
fn some_of(mutations: Vec<Mutation>) -> Vec<Mutation> {
    let mut sorts: BTreeMap<(Sort, &str), Vec<usize>> = BTreeMap::new();
    for (number, mutation) in mutations.iter().enumerate() {
        let sort = (Sort::of(mutation), mutation.field.as_str());
        sorts.entry(sort).or_default().push(number);
    }
    let numbered = sorts.into_values().enumerate();
    let drawn: BTreeSet<usize> = numbered
        .map(|(position, numbers)| numbers[position % numbers.len()])
        .collect();
    let numbered = mutations.into_iter().enumerate();
    let some = numbered.filter(|(number, _)| drawn.contains(number));
    let some = some.map(|(_, mut mutation)| {
        mutation.only_asked |= mutation.removes() && is_carried(&mutation.field);
        mutation
    });
    some.collect()
}

/// The fields, and what is to be changed of them.
fn walk() -> Walk {
    let mut walk = Walk::over(&schema(), &stage::base());
    if !is_every_change_made() {
        walk.mutations = some_of(walk.mutations);
    }
    walk
}

#[test]
fn the_slice_has_a_change_of_each_sort_of_each_field_that_has_one() {
    let all = Walk::over(&schema(), &stage::base()).mutations;
    let sorts = |mutations: &[Mutation]| -> BTreeSet<(Sort, String)> {
        let sorts = mutations.iter().map(|one| (Sort::of(one), one.field.clone()));
        sorts.collect()
    };
    let (whole, some) = (sorts(&all), some_of(all.clone()));
    // What is only asked about is of the same sort still.
    assert_eq!(sorts(&some), whole);
    assert_eq!(some.len(), whole.len(), "one of each");
    for field in fields::all() {
        for sort in [Sort::Removal, Sort::Wrong] {
            assert!(
                whole.contains(&(sort, field.path.to_owned())),
                "{sort:?} of {}",
                field.path
            );
        }
    }
    println!("{} of {} changes", some.len(), all.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_field_reaches_its_targets_or_is_refused_and_restoring_restores() {
    let began = Instant::now();
    let (walk, lanes) = (walk(), lanes());
    let mut known: Vec<&str> = fields::all().map(|field| field.path).collect();
    known.sort_unstable();
    let leaves: Vec<&String> = walk.fields.iter().collect();
    assert_eq!(leaves, known, "the schema's fields and the table's");
    assert_eq!(
        walk.fields, walk.present,
        "the policy that all others differ from has every field"
    );

    let server = Server::on_loopback(stage::world(lanes)).expect("a port");
    let client = rig::shared().await.admin_client().await.expect("a client");
    let view = View::new(&client);
    let running = (0..lanes).map(|lane| {
        let way = if lane % 2 == 0 { Way::Apply } else { Way::Replace };
        let policy = Policy::new(&client, &view, Lane(lane), way);
        // What adds or takes away is done in both ways, every other text or number, and what is carried on, in one of them.
        let numbered = walk.mutations.iter().enumerate();
        let in_one_way = numbered.clone().filter(|(number, _)| number % lanes == lane);
        let in_both = numbered.filter(|(number, mutation)| {
            let is_asked = is_every_change_made() && number % lanes == lane ^ 1;
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
        tallies = join_all(running) => tallies,
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
    for field in fields::all() {
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
    let first = first.metadata.generation;
    let is_done = |now: &Settled| {
        // What is not published yet would have to be proven.
        let is_done = now.images["superseded"] == 7 && now.migrations.len() == 7 && now.completed.len() == 7;
        if now.ready && is_done {
            Ok(())
        } else {
            Err(format!(
                "{} {} {} {}",
                now.ready,
                now.reason,
                now.images,
                now.completed.len()
            ))
        }
    };
    policy.settled("the policy without proofs", first, is_done).await;
    let first = policy
        .put(&base, false)
        .await
        .expect("the policy that all others differ from");
    let first = first.metadata.generation;
    let mut before = policy.settled("the policy before any change", first, is_done).await;
    // Later on there may be more, of images that were selected for a while.
    let wanted: BTreeSet<String> = before.migrations.keys().cloned().collect();
    let mut tally = Tally::default();
    // Of the policy as it was taken last.
    let mut generation = first;
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
            Ok(changed) => changed,
        };
        if mutation.answer == Answer::Refused {
            tally.failures.push(format!("{line}: accepted"));
        }
        if mutation.only_asked {
            tally.asked += 1;
            if mutation.removes() {
                let reached = differences(&before.asked, &watch::asked_by(changed));
                seen.reached |= !reached.is_empty();
                reaches_what_it_should(&mutation, &reached, &line, &mut tally.failures);
            }
            continue;
        }
        tally.accepted += 1;
        generation = changed.metadata.generation;
        let after = policy.settled(&line, generation, |_| Ok(())).await;
        let reached = differences(&before.asked, &after.asked);
        reaches_what_it_should(&mutation, &reached, &line, &mut tally.failures);
        seen.reached |= !reached.is_empty();
        seen.counted |= after.images != before.images;
        unmoved(&before, &after, &wanted, &line, &mut tally.failures);
        // The next change of the policy that all others differ from restores this one too, and shows it if it does not.
        let may_stay = !mutation.restructures() || !is_every_change_made();
        let stays = may_stay && !reached.contains(fields::WHICH) && after.images == before.images;
        if stays && mutations.peek().is_some() {
            continue;
        }

        let back = policy.put(&base, false).await.expect("the policy is restored");
        generation = back.metadata.generation;
        let restored = policy
            .settled(&format!("{line}, restored"), generation, |now| {
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

/// An accepted change shows in the targets' fields that it may reach, and in no others.
fn reaches_what_it_should(mutation: &Mutation, reached: &BTreeSet<String>, line: &str, failures: &mut Vec<String>) {
    if reached.is_empty() && !may_change_nothing(mutation) {
        failures.push(format!("{line}: accepted, and nothing changed"));
    }
    for field in reached {
        let known = fields::of(&mutation.field)
            .reaches
            .iter()
            .any(|known| field == known || field.strip_prefix(known).is_some_and(|rest| rest.starts_with('.')));
        if !known {
            failures.push(format!("{line}: reached {field} too"));
        }
    }
}

/// Targets that both states have are the same objects, with a new generation only for a new spec, and their
/// migrations are untouched. Those of images that were selected for a while may go, and so may those that were made again with their target
/// and are not completed since: their copies have proofs to pass now.
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
        let lasting = |name: &String| wanted.contains(name) && before.completed.contains(name);
        for (migration, (id, owner, spec)) in ours.filter(|(name, _)| lasting(name)) {
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
    for field in fields::all() {
        for test in field.acted_on {
            assert!(
                sources.contains(&format!("async fn {test}(")),
                "{}: there is no scenario {test}",
                field.path
            );
        }
    }
}
