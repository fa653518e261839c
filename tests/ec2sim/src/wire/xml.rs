//! A writer of small XML documents.

use std::fmt::Write as _;

use quick_xml::escape::partial_escape;

/// XML text that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A whole document with a namespace.
    pub(crate) fn root(name: &str, namespace: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut x = Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        x.raw(&format!("<{name} xmlns=\"{namespace}\">"));
        content(&mut x);
        x.raw(&format!("</{name}>"));
        x.0
    }

    /// A whole document without a namespace.
    pub(crate) fn document(name: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut x = Self(String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
        x.nest(name, content);
        x.0
    }

    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// An element that holds text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        // Writing to a String can not fail.
        let _ = write!(self.0, "<{name}>{}</{name}>", partial_escape(value));
    }

    /// An element that holds a value in its usual form.
    pub(crate) fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        self.text(name, &value.to_string());
    }

    /// An element, when there is a value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// An element that holds others.
    pub(crate) fn nest(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let _ = write!(self.0, "<{name}>");
        content(self);
        let _ = write!(self.0, "</{name}>");
    }

    /// A list: an element that holds `item` elements.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.nest(name, |x| {
            for item in items {
                x.nest("item", |x| each(x, item));
            }
        });
    }

    /// A list of awsQuery: an element that holds `member` elements.
    pub(crate) fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.nest(name, |x| {
            for item in items {
                x.nest("member", |x| each(x, item));
            }
        });
    }

    /// A list of texts of awsQuery.
    pub(crate) fn texts<'a>(&mut self, name: &str, items: impl IntoIterator<Item = &'a str>) {
        self.nest(name, |x| {
            for item in items {
                x.text("member", item);
            }
        });
    }

    /// Adds what another writer wrote.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }
}
