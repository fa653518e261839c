//! Ways in which an answer may differ from what AWS would say.

use proptest::prelude::*;
use proptest::sample::select;

use crate::document::Node;

/// A change of one element of a tree.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Drop,
    Twice,
    TwiceWith(String),
    Rename(&'static str),
    Text(String),
    Empty,
    Nested,
    Unknown(String),
    SwapWithNext,
}

/// Where, as a part of all elements, and what.
pub(crate) type Mutation = (prop::sample::Index, Change);

/// Changes a tree.
pub(crate) fn apply(tree: &mut Node, mutations: &[Mutation]) {
    for (place, change) in mutations {
        let size = tree.size() - 1;
        if size == 0 {
            return;
        }
        change_at(tree, place.index(size), change);
    }
}

/// Changes the element of this number.
pub(crate) fn change_at(tree: &mut Node, number: usize, change: &Change) {
    tree.at(number, &mut |siblings, index| match change {
        Change::Drop => drop(siblings.remove(index)),
        Change::Twice => siblings.insert(index, siblings[index].clone()),
        Change::TwiceWith(text) => {
            let mut other = siblings[index].clone();
            garble(&mut other, text);
            siblings.insert(index, other);
        }
        Change::Rename(name) => (*name).clone_into(&mut siblings[index].name),
        Change::Text(text) => {
            if siblings[index].children.is_empty() {
                siblings[index].text.clone_from(text);
            }
        }
        Change::Empty => {
            siblings[index].children.clear();
            siblings[index].text.clear();
        }
        Change::Nested => {
            let inner = siblings[index].clone();
            siblings[index].text.clear();
            siblings[index].children = vec![inner];
        }
        Change::Unknown(text) => siblings.insert(index, Node::leaf("somethingNew", text)),
        Change::SwapWithNext => {
            let next = (index + 1) % siblings.len();
            siblings.swap(index, next);
        }
    });
}

/// Gives the first text within an element that says something of encryption another value.
fn garble(node: &mut Node, text: &str) -> bool {
    if ["encrypted", "kmsKeyId", "snapshotId"].contains(&node.name.as_str()) && node.children.is_empty() {
        text.clone_into(&mut node.text);
        return true;
    }
    node.children.iter_mut().any(|child| garble(child, text))
}

const NAMES: [&str; 16] = [
    "item",
    "encrypted",
    "kmsKeyId",
    "snapshotId",
    "imageId",
    "imageState",
    "status",
    "ebs",
    "imagesSet",
    "snapshotSet",
    "blockDeviceMapping",
    "nextToken",
    "deviceName",
    "virtualName",
    "noDevice",
    "x",
];

pub(crate) const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-4111-8111-111111111111";

/// Texts that are wrong in most places, and some that look right.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let known = [
        "true",
        "false",
        "TRUE",
        "1",
        " true ",
        "",
        "null",
        "available",
        "disabled",
        "failed",
        "pending",
        "completed",
        "error",
        "recoverable",
        "brand-new-state",
        "0",
        "-1",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "99999999999999999999999999",
        "1e9",
        "NaN",
        "2024-02-30T00:00:00Z",
        "0000-00-00T00:00:00.000Z",
        "+999999-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "ami-0123456789abcdef0",
        "snap-0123456789abcdef0",
        "ami-",
        "snap-XYZ",
        "111122223333",
        "\u{661}\u{661}\u{661}",
        "alias/ami",
        KEY,
        "arn:aws:kms:eu-west-1:111122223333:key/22222222-2222-4222-8222-222222222222",
        "arn:aws:kms:eu-west-1:111122223333:key/",
        "arn:aws:kms:us-east-1:111122223333:key/11111111-1111-4111-8111-111111111111",
        " arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-4111-8111-111111111111",
        "\u{1F980}\u{202E}\u{5D0}e\u{301}\u{200B}\u{FEFF}",
        "a\tb\nc",
        "\u{7}\u{1b}[31m\u{85}\u{7f}",
        "<&>\"'",
        "]]>",
        "&amp;",
        "/dev/xvda",
    ];
    prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,40}",
        1 => (1..3000_usize).prop_map(|length| "\u{65E5}".repeat(length)),
    ]
}

pub(crate) fn change() -> impl Strategy<Value = Mutation> {
    let change = prop_oneof![
        4 => Just(Change::Drop),
        1 => Just(Change::Twice),
        2 => text().prop_map(Change::TwiceWith),
        2 => select(NAMES.to_vec()).prop_map(Change::Rename),
        6 => text().prop_map(Change::Text),
        2 => Just(Change::Empty),
        1 => Just(Change::Nested),
        1 => text().prop_map(Change::Unknown),
        1 => Just(Change::SwapWithNext),
    ];
    (any::<prop::sample::Index>(), change)
}

/// Answers that are no answers.
pub(crate) const NO_ANSWERS: [(u16, &str); 16] = [
    (200, ""),
    (200, " \n"),
    (200, "null"),
    (200, "{}"),
    (200, "[]"),
    (200, "<html><body><h1>It works!</h1></body></html>"),
    (
        200,
        "<!DOCTYPE html><html><head><meta charset=utf-8><body>Please log in<br></html>",
    ),
    (
        200,
        "<Response><Errors><Error><Code>InternalError</Code><Message>m</Message></Error></Errors><RequestID>r</RequestID></Response>",
    ),
    (
        200,
        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    ),
    (200, "<Unknown/>"),
    (200, "<a xmlns:x='y'><x:item>&#0;</x:item></a>"),
    (200, "<!DOCTYPE a [<!ENTITY b \"b\"><!ENTITY c \"&b;&b;\">]><a>&c;</a>"),
    (502, "<html><body>Bad Gateway</body></html>"),
    (503, ""),
    (400, "<Response><Errors/></Response>"),
    (403, "\u{FFFD}\u{FFFD}"),
];
