//! XML as a tree that can be changed, and what it says when one reads it for oneself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Node>,
}

impl Node {
    pub(crate) fn leaf(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            children: Vec::new(),
        }
    }

    /// Reads what the simulator writes: no attributes but the root's, no text beside elements.
    pub(crate) fn parse(xml: &str) -> Self {
        let mut rest = xml.split_once("?>").map_or(xml, |(_, rest)| rest).trim();
        let root = Self::element(&mut rest);
        assert!(rest.trim().is_empty(), "text after the root: {rest}");
        root
    }

    fn element(rest: &mut &str) -> Self {
        let (tag, after) = rest
            .strip_prefix('<')
            .and_then(|rest| rest.split_once('>'))
            .expect("a tag");
        *rest = after;
        let empty = tag.strip_suffix('/');
        let name = empty
            .unwrap_or(tag)
            .split_whitespace()
            .next()
            .expect("a name")
            .to_owned();
        let mut node = Self {
            name,
            ..Self::default()
        };
        if empty.is_some() {
            return node;
        }
        loop {
            let (text, _) = rest.split_once('<').expect("a closing tag");
            if !text.is_empty() {
                node.text = unescaped(text);
            }
            *rest = &rest[text.len()..];
            if let Some(after) = rest.strip_prefix("</") {
                let (closed, after) = after.split_once('>').expect("a closing tag");
                assert_eq!(closed, node.name);
                *rest = after;
                return node;
            }
            node.children.push(Self::element(rest));
        }
    }

    /// The document.
    pub(crate) fn document(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        self.write(&mut xml);
        xml
    }

    fn write(&self, xml: &mut String) {
        let _ = write!(xml, "<{}>{}", self.name, escaped(&self.text));
        for child in &self.children {
            child.write(xml);
        }
        let _ = write!(xml, "</{}>", self.name);
    }

    /// How many elements there are, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + self.children.iter().map(Self::size).sum::<usize>()
    }

    /// Calls `change` with the list of siblings and the index of the element of this number in it, the root's children first.
    pub(crate) fn at(&mut self, number: usize, change: &mut dyn FnMut(&mut Vec<Node>, usize)) {
        let mut left = number;
        self.descend(&mut left, change);
    }

    fn descend(&mut self, left: &mut usize, change: &mut dyn FnMut(&mut Vec<Node>, usize)) -> bool {
        for index in 0..self.children.len() {
            if *left == 0 {
                change(&mut self.children, index);
                return true;
            }
            *left -= 1;
            if self.children[index].descend(left, change) {
                return true;
            }
        }
        false
    }

    /// The child of this name that counts: the last.
    pub(crate) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().rev().find(|child| child.name == name)
    }

    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The items of a list among the children.
    pub(crate) fn items(&self, list: &str) -> impl Iterator<Item = &Node> {
        let children = self.child(list).map_or(&[][..], |list| &list.children);
        children.iter().filter(|child| child.name == "item")
    }
}

/// `encrypted` and `kmsKeyId` of a snapshot.
type Said<'a> = (Option<&'a str>, Option<&'a str>);

/// What two documents, of images and of snapshots, say of encryption, read without the product's code.
pub(crate) struct Reading<'a> {
    images: &'a Node,
    /// By ID: what each element of it says.
    snapshots: BTreeMap<&'a str, Vec<Said<'a>>>,
}

impl<'a> Reading<'a> {
    pub(crate) fn of(images: &'a Node, snapshots: &'a Node) -> Self {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for item in snapshots.items("snapshotSet") {
            let says = (item.text_of("encrypted"), item.text_of("kmsKeyId"));
            found
                .entry(item.text_of("snapshotId").unwrap_or_default())
                .or_default()
                .push(says);
        }
        Self {
            images,
            snapshots: found,
        }
    }

    /// The IDs of all images.
    pub(crate) fn images(&self) -> Vec<&'a str> {
        let mut ids: Vec<_> = self
            .images
            .items("imagesSet")
            .map(|item| item.text_of("imageId").unwrap_or_default())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The IDs of all snapshots.
    pub(crate) fn snapshots(&self) -> Vec<&'a str> {
        self.snapshots.keys().copied().collect()
    }

    /// Whether all that is said of an image, and of each of its snapshots, is that it is encrypted under this key.
    pub(crate) fn is_encrypted(&self, image: &str, key: &str) -> bool {
        let mut elements = self
            .images
            .items("imagesSet")
            .filter(|item| item.text_of("imageId") == Some(image))
            .peekable();
        elements.peek().is_some()
            && elements.all(|element| {
                let root = element.text_of("rootDeviceName");
                let mut rooted = false;
                let each = element.items("blockDeviceMapping").all(|mapping| {
                    let Some(ebs) = mapping.child("ebs") else { return true };
                    let Some(id) = ebs.text_of("snapshotId").filter(|id| !id.is_empty()) else {
                        return true;
                    };
                    rooted |= root.is_some() && mapping.text_of("deviceName") == root;
                    ebs.text_of("encrypted") != Some("false")
                        && self
                            .snapshots
                            .get(id)
                            .is_some_and(|said| said.iter().all(|says| *says == (Some("true"), Some(key))))
                });
                each && rooted
                    && element
                        .text_of("imageState")
                        .is_some_and(|state| ["available", "disabled"].contains(&state))
            })
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for sign in text.chars() {
        match sign {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            _ if sign.is_control() => drop(write!(escaped, "&#x{:X};", u32::from(sign))),
            _ => escaped.push(sign),
        }
    }
    escaped
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}
