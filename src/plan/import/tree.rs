//! Findings in JSON, by their shape and not by their schema: SARIF, ASFF, OCSF, a list of objects, or one object a line.

use std::rc::Rc;

use super::Unreadable;
use super::clues::{self, Clue};
use super::findings::{Collector, Findings, ITEM, Placed};
use super::json::{Node, Parser, Value};
use super::remark::Remark;

/// What lists of findings are called, or lists of lists of them. `resources` is none: a finding has those.
const LISTS: [&str; 13] = [
    "findings", "runs", "results", "groups", "controls", "items", "records", "issues", "alerts", "rows", "hits",
    "data", "value",
];

/// How many objects a list has that is one of findings whatever it is called: no finding has so many parts.
const LONG: usize = 50;

/// Reads JSON: one value, or one after the other.
pub(super) fn read(text: &str) -> Result<Findings, Unreadable> {
    let mut parser = Parser::new(text);
    let mut collector = Collector::default();
    let mut count = 0_u64;
    loop {
        let line = parser.line();
        let before = parser.clone();
        match parser.next_value() {
            None => return Ok(collector.finish()),
            Some(Ok(node)) => split(&mut collector, &node, &mut Vec::new(), &[]),
            Some(Err(fault)) => {
                parser = before;
                let bad = parser.skip_line();
                if count == 0 && !is_object_by_itself(&mut parser.clone()) {
                    let what = format!("is not JSON that can be read: {}; export it again", fault.what);
                    return Err(Unreadable::new(Some(fault.line), what));
                }
                let text = format!("it is not JSON ({}): what is in it is read as text", fault.what);
                collector.remark(Remark::attention([line].into(), text));
                let mut clues = Vec::new();
                cell(bad, line, &[], "", &mut clues);
                collector.row(line, &clues, &[]);
            }
        }
        count += 1;
    }
}

/// Whether the next line is an object, whole and alone, so that lines are what the file consists of.
fn is_object_by_itself(parser: &mut Parser<'_>) -> bool {
    let line = parser.skip_line();
    let mut alone = Parser::new(line);
    let object = alone.next_value();
    object.is_some_and(|node| node.is_ok_and(|node| matches!(node.value, Value::Object(_))))
        && alone.next_value().is_none()
}

/// Takes lists of findings apart, and what remains as findings. What is said beside a list holds for all of it.
fn split(collector: &mut Collector, node: &Node<'_>, path: &mut Vec<u32>, around: &[Placed]) {
    match &node.value {
        Value::List(items) => {
            for (number, item) in items.iter().enumerate() {
                within(path, number, true, |path| split(collector, item, path, around));
            }
        }
        Value::Object(members) if members.iter().any(|(name, node)| is_list(name, node)) => {
            let mut around = around.to_vec();
            let mut rest = Vec::new();
            for (number, (name, member)) in members.iter().enumerate() {
                let place = if is_scalar(member) { &mut around } else { &mut rest };
                if !is_list(name, member) {
                    within(path, number, false, |path| gather(member, path, name, place));
                }
            }
            // What is beside a list is about the list, unless it names an image itself.
            if rest.iter().any(|placed| matches!(placed.clue, Clue::Image { .. })) {
                collector.row(node.line, &rest, &around);
            }
            let is_cell = |placed: &Placed| clues::is_cell(&placed.clue);
            around.extend(rest.into_iter().filter(is_cell));
            for (number, (name, member)) in members.iter().enumerate() {
                if is_list(name, member) {
                    within(path, number, false, |path| split(collector, member, path, &around));
                }
            }
        }
        Value::Object(members) if members.iter().any(|(name, _)| is_image(name)) => {
            let mut around = around.to_vec();
            for (number, (name, member)) in members.iter().enumerate() {
                if !is_image(name) {
                    within(path, number, false, |path| gather(member, path, name, &mut around));
                }
            }
            for (number, (name, member)) in members.iter().enumerate() {
                if is_image(name) {
                    let mut clues = Vec::new();
                    within(path, number, true, |path| {
                        cell(name, member.line, path, "", &mut clues);
                        gather(member, path, name, &mut clues);
                    });
                    collector.row(member.line, &clues, &around);
                }
            }
        }
        _ => {
            let mut clues = Vec::new();
            gather(node, path, "", &mut clues);
            let says_something =
                |placed: &Placed| matches!(placed.clue, Clue::Image { .. } | Clue::Broken(_) | Clue::Other);
            if has_no_findings(node) && !clues.iter().any(says_something) {
                return;
            }
            collector.row(node.line, &clues, around);
        }
    }
}

/// Whether it says that there are no findings.
fn has_no_findings(node: &Node<'_>) -> bool {
    let Value::Object(members) = &node.value else {
        return false;
    };
    let is_empty = |node: &Node<'_>| matches!(&node.value, Value::List(items) if items.is_empty());
    let is_of_findings = |name: &str| name.eq_ignore_ascii_case("findings") || name.eq_ignore_ascii_case("results");
    members
        .iter()
        .any(|(name, node)| is_of_findings(name) && is_empty(node))
}

/// Whether a member is a list of findings: by its name, or since nothing else is that long.
fn is_list(name: &str, node: &Node<'_>) -> bool {
    let is_object = |node: &&Node<'_>| matches!(node.value, Value::Object(_));
    let Value::List(items) = &node.value else {
        return false;
    };
    let objects = items.iter().filter(is_object).count();
    objects >= LONG || (objects > 0 && LISTS.iter().any(|list| name.eq_ignore_ascii_case(list)))
}

/// Whether a name is an image, so that the object is a list of what is said of images.
fn is_image(name: &str) -> bool {
    let mut is_image = false;
    clues::read(name, &mut |clue| is_image |= matches!(clue, Clue::Image { .. }));
    is_image
}

fn is_scalar(node: &Node<'_>) -> bool {
    !matches!(node.value, Value::List(_) | Value::Object(_))
}

/// Everything that a value says.
fn gather(node: &Node<'_>, path: &mut Vec<u32>, name: &str, clues: &mut Vec<Placed>) {
    match &node.value {
        Value::Word => {}
        Value::Number(number) => cell(number, node.line, path, name, clues),
        Value::Text(text) => cell(text, node.line, path, name, clues),
        Value::List(items) => {
            for (number, item) in items.iter().enumerate() {
                within(path, number, true, |path| gather(item, path, name, clues));
            }
        }
        Value::Object(members) => {
            for (number, (name, member)) in members.iter().enumerate() {
                within(path, number, is_image(name), |path| {
                    cell(name, member.line, path, "", clues);
                    gather(member, path, name, clues);
                });
            }
        }
    }
}

fn cell(text: &str, line: u64, path: &[u32], column: &str, clues: &mut Vec<Placed>) {
    clues::read(text, &mut |clue| {
        clues.push(Placed {
            clue,
            line,
            path: path.to_vec(),
            column: Rc::from(column),
        });
    });
}

/// Goes one step further for a moment, to an item of a list or to a member of an object.
fn within<T>(path: &mut Vec<u32>, number: usize, is_item: bool, work: impl FnOnce(&mut Vec<u32>) -> T) -> T {
    let number = u32::try_from(number).unwrap_or(u32::MAX) & !ITEM;
    path.push(if is_item { number | ITEM } else { number });
    let result = work(path);
    path.pop();
    result
}
