//! Nothing of the rights can be left out: each action is needed, and each condition stops something.

use std::collections::BTreeSet;

use amiseal::plan::rights::Grant;
use serde_json::Value;

use super::conditions::{self, OF_NO_CALL, REGION_KEY, Stop};
use super::documents::{self, Document, actions, keys, sid, without_action, without_condition, without_statements};
use super::stage::is_denied;
use super::uses::{self, BESIDE, Use};

/// Each statement once, with the policy that takes it.
fn statements(documents: &[Document]) -> Vec<(&Document, &Value)> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let all = documents.iter().flat_map(|document| {
        let own = document.statements.iter();
        own.map(move |statement| (document, statement))
    });
    // What is on copies of others is another statement of the same name.
    let is_new =
        |(_, statement): &(&Document, &Value)| known.insert(format!("{} {}", sid(statement), statement["Condition"]));
    all.filter(is_new).collect()
}

#[test]
fn the_policies_take_every_statement() {
    let documents = documents::all();
    let taken: BTreeSet<&str> = statements(&documents).into_iter().map(|(_, one)| sid(one)).collect();
    // These are the controller's own.
    let own = [Grant::AssumeRoles, Grant::ListAccounts, Grant::ReadEvents];
    let all = Grant::ALL.iter().filter(|grant| !own.contains(grant));
    let missing: Vec<&str> = all
        .map(|grant| grant.sid())
        .filter(|name| !taken.contains(name))
        .collect();
    assert!(missing.is_empty(), "no policy here takes {missing:?}");
}

#[test]
fn every_action_of_every_statement_is_needed() {
    let (documents, uses) = (documents::all(), uses::all());
    let mut wrong = Vec::new();
    for (document, statement) in statements(&documents) {
        let name = sid(statement);
        for action in actions(statement) {
            let found = uses.iter().find(|(of, needed, _)| *of == name && *needed == action);
            match found {
                None => wrong.push(format!("{name}: nothing here needs {action}")),
                Some(one) => wrong.extend(not_needed(document, one)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with what needs an action.
fn not_needed(document: &Document, (name, action, call): &Use) -> Option<String> {
    let beside = BESIDE.iter().find(|(of, _)| of == name);
    let rights = without_statements(&document.statements, beside.map_or(&[][..], |(_, names)| *names));
    if is_denied(&rights, call) {
        return Some(format!(
            "{name}: {} is denied by all of the rights ({})",
            call.name(),
            document.name
        ));
    }
    let left = without_action(&rights, name, action);
    (!is_denied(&left, call)).then(|| format!("{name}: {} works without {action} ({})", call.name(), document.name))
}

#[test]
fn every_condition_stops_something() {
    let (documents, uses, stops) = (documents::all(), uses::all(), conditions::all());
    let mut wrong = Vec::new();
    for (document, statement) in statements(&documents) {
        let name = sid(statement);
        for (_, key) in keys(statement) {
            if OF_NO_CALL.contains(&(name, key)) {
                continue;
            }
            let own = stops.iter().filter(|stop| stop.sid == name && stop.key == key);
            let mut tried = 0;
            for stop in own {
                tried += 1;
                wrong.extend(not_stopped(document, stop));
            }
            if key == REGION_KEY && tried == 0 {
                let elsewhere = uses.iter().filter(|(of, ..)| *of == name);
                for (_, action, call) in elsewhere.filter(|(_, action, _)| actions(statement).contains(action)) {
                    tried += 1;
                    let left = without_condition(&document.statements, name, key);
                    if !is_denied(&document.statements, &call.far()) || is_denied(&left, &call.far()) {
                        wrong.push(format!("{name}: {key} does not stop {action} in another region"));
                    }
                }
            }
            if tried == 0 {
                wrong.push(format!("{name}: nothing here is stopped by {key}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is wrong with what a condition stops.
fn not_stopped(document: &Document, stop: &Stop) -> Option<String> {
    let all = without_statements(&document.statements, stop.beside);
    let alone = stop
        .with
        .iter()
        .fold(all.clone(), |left, (name, key)| without_condition(&left, name, key));
    // It stops that also where the others that do are gone.
    let is_stopped = is_denied(&all, &stop.call) && is_denied(&alone, &stop.call);
    let left = without_condition(&alone, stop.sid, stop.key);
    let is_that = is_stopped && !is_denied(&left, &stop.call);
    (!is_that).then(|| {
        format!(
            "{}: {} does not stop {} ({})",
            stop.sid, stop.key, stop.what, document.name
        )
    })
}

#[test]
fn what_is_tried_here_is_of_a_statement() {
    let documents = documents::all();
    let mut of_actions: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut of_keys: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (_, statement) in statements(&documents) {
        let name = sid(statement);
        of_actions.extend(actions(statement).into_iter().map(|action| (name, action)));
        of_keys.extend(keys(statement).into_iter().map(|(_, key)| (name, key)));
    }
    for (name, action, _) in uses::all() {
        assert!(of_actions.contains(&(name, action)), "{name} does not allow {action}");
    }
    for stop in conditions::all() {
        assert!(
            of_keys.contains(&(stop.sid, stop.key)),
            "{} has no {}",
            stop.sid,
            stop.key
        );
    }
    for one in OF_NO_CALL {
        assert!(of_keys.contains(&one), "{one:?}");
    }
}
