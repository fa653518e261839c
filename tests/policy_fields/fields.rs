//! Every field of a policy's spec: where its effect must be seen. Each part of the spec has its file.

mod accounts;
mod audit;
mod consumers;
mod copies;
mod guardrails;
mod promotion;
mod running;
mod validation;

/// A field of the schema, its lists' items as `[]`.
pub(crate) struct Field {
    pub(crate) path: &'static str,
    /// The fields of a target's spec that it may change; [`WHICH`] for which targets there are. None: it is of no account, and no
    /// target hears of it.
    pub(crate) reaches: &'static [&'static str],
    /// Tests of `tests/scenarios` that show what the controllers make of it in AWS.
    pub(crate) acted_on: &'static [&'static str],
    /// Whether a change of it must show in the counts of images.
    pub(crate) counted: bool,
}

/// The set of targets.
pub(crate) const WHICH: &str = "(which targets)";

const fn field(
    path: &'static str,
    reaches: &'static [&'static str],
    acted_on: &'static [&'static str],
    counted: bool,
) -> Field {
    Field {
        path,
        reaches,
        acted_on,
        counted,
    }
}

/// What shows that copies are made and published, which rows of more than one part name.
const COPIES: &[&str] = &["unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published"];

/// The table. A field of the schema that is not in it fails the test, and so does one here that the schema has not.
const PARTS: [&[Field]; 8] = [
    accounts::FIELDS,
    audit::FIELDS,
    consumers::FIELDS,
    copies::FIELDS,
    guardrails::FIELDS,
    promotion::FIELDS,
    running::FIELDS,
    validation::FIELDS,
];

/// All rows of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Field> {
    PARTS.into_iter().flatten()
}

/// The row of a field.
pub(crate) fn of(path: &str) -> &'static Field {
    all().find(|field| field.path == path).unwrap_or_else(|| {
        panic!("{path} is a new field: say in the table of this test where its effect is to be seen")
    })
}
