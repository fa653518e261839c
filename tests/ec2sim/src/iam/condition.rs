//! Conditions of statements. An operator or a key that is not known is refused when the policy is read: passed over, it would allow what
//! nobody meant to, or deny what nobody expects.

use serde_json::Value;

use super::policy::{Ask, REQUEST_TAG, RESOURCE_TAGS, TAG_KEYS, texts};
use crate::glob;

/// The keys that calls give to what they are about, beside those of tags. Which action has which is as the Service Authorization
/// Reference says.
const KEYS: [&str; 15] = [
    TAG_KEYS,
    "aws:PrincipalArn",
    "aws:RequestedRegion",
    "autoscaling:ImageId",
    "ec2:CreateAction",
    "ec2:InstanceType",
    "ec2:LaunchTemplate",
    "ec2:ManagedResourceOperator",
    "ec2:Owner",
    "ec2:Region",
    "iam:PassedToService",
    "kms:GrantIsForAWSResource",
    "kms:ResourceAliases",
    "kms:ViaService",
    "ssm:Overwrite",
];

/// One key, and what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    over: Over,
    comparison: Comparison,
    /// Whether the opposite is asked for.
    negated: bool,
    /// Whether it holds where the key is absent.
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// Of a key with several values, which of them have to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The key has one value.
    One,
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    EqualIgnoringCase,
    Like,
    Arn,
    Null,
}

impl Condition {
    /// Reads the conditions of a statement.
    ///
    /// # Errors
    /// A sentence that says what is wrong with one of them, or is not known.
    pub(super) fn read_all(json: &Value) -> Result<Vec<Self>, String> {
        let operators = match json {
            Value::Null => return Ok(Vec::new()),
            Value::Object(operators) => operators,
            _ => return Err("Syntax error at Condition: expected an object.".to_owned()),
        };
        let mut all = Vec::new();
        for (operator, keys) in operators {
            let keys = keys
                .as_object()
                .ok_or_else(|| format!("Syntax error at Condition: {operator} has no keys."))?;
            for (key, values) in keys {
                all.push(Self::read(operator, key, values)?);
            }
        }
        Ok(all)
    }

    fn read(operator: &str, key: &str, values: &Value) -> Result<Self, String> {
        let unknown = || format!("Syntax error at Condition: the operator {operator} is not known.");
        let (over, rest) = match operator.split_once(':') {
            None => (Over::One, operator),
            Some(("ForAllValues", rest)) => (Over::All, rest),
            Some(("ForAnyValue", rest)) => (Over::Any, rest),
            Some(_) => return Err(unknown()),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (comparison, negated) = match name {
            "StringEquals" => (Comparison::Equal, false),
            "StringNotEquals" => (Comparison::Equal, true),
            "StringEqualsIgnoreCase" | "Bool" => (Comparison::EqualIgnoringCase, false),
            "StringLike" => (Comparison::Like, false),
            "StringNotLike" => (Comparison::Like, true),
            "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
            "Null" if over == Over::One && !if_exists => (Comparison::Null, false),
            _ => return Err(unknown()),
        };
        let of_tag = |prefix: &&str| key.strip_prefix(*prefix).is_some_and(|name| !name.is_empty());
        if !KEYS.contains(&key) && !RESOURCE_TAGS.iter().chain([&REQUEST_TAG]).any(of_tag) {
            return Err(format!("Syntax error at Condition: the key {key} is not known."));
        }
        Ok(Self {
            over,
            comparison,
            negated,
            if_exists,
            key: key.to_owned(),
            values: texts(values, "Condition")?,
        })
    }

    /// Whether it holds for what is asked. A key that is absent fits nothing, and so holds where the opposite is asked for.
    pub(super) fn holds(&self, ask: &Ask<'_>) -> bool {
        let given = ask.values(&self.key);
        if self.comparison == Comparison::Null {
            return self.values.iter().any(|absent| (absent == "true") == given.is_empty());
        }
        if given.is_empty() && self.if_exists {
            return true;
        }
        match self.over {
            Over::One => given.iter().any(|value| self.fits(value)) != self.negated,
            Over::All => given.iter().all(|value| self.fits(value) != self.negated),
            Over::Any => given.iter().any(|value| self.fits(value) != self.negated),
        }
    }

    /// Whether it names this value.
    fn fits(&self, value: &str) -> bool {
        self.values.iter().any(|wanted| match self.comparison {
            Comparison::Equal => wanted == value,
            Comparison::EqualIgnoringCase => wanted.eq_ignore_ascii_case(value),
            Comparison::Like => glob::matches(wanted, value),
            Comparison::Arn => is_arn_like(wanted, value),
            Comparison::Null => false,
        })
    }
}

/// Whether each of the six parts of an ARN is as the pattern has it.
fn is_arn_like(pattern: &str, arn: &str) -> bool {
    let parts = |text: &str| -> Vec<String> { text.splitn(6, ':').map(str::to_owned).collect() };
    let (pattern, arn) = (parts(pattern), parts(arn));
    let each = |(pattern, part): (&String, &String)| glob::matches(pattern, part);
    pattern.len() == arn.len() && pattern.iter().zip(&arn).all(each)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Tags;

    fn holds(operator: &str, key: &str, values: &Value, context: &[(&str, &str)], tags: &[&str]) -> bool {
        let conditions = Condition::read_all(&json!({(operator): {(key): values}})).expect("a condition");
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let context: Vec<(String, String)> = context.iter().map(own).collect();
        let request_tags: Tags = tags.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        let ask = Ask {
            request_tags: &request_tags,
            context: &context,
            ..Ask::of("ec2:CopyImage", "*")
        };
        conditions.iter().all(|condition| condition.holds(&ask))
    }

    #[test]
    fn a_key_that_is_absent_fits_nothing_and_what_asks_for_the_opposite_or_if_it_exists_holds() {
        let owner = [("ec2:Owner", "1")];
        for (operator, value, absent, same, other) in [
            ("StringEquals", "1", false, true, false),
            ("StringEqualsIfExists", "1", true, true, false),
            ("StringNotEquals", "1", true, false, true),
            ("StringLike", "1*", false, true, false),
            ("StringLikeIfExists", "1*", true, true, false),
            ("StringNotLike", "1*", true, false, true),
            ("Bool", "1", false, true, false),
            ("BoolIfExists", "1", true, true, false),
            ("Null", "true", true, false, false),
            ("Null", "false", false, true, true),
        ] {
            let value = json!(value);
            let is = |context: &[(&str, &str)]| holds(operator, "ec2:Owner", &value, context, &[]);
            let found = (is(&[]), is(&owner), is(&[("ec2:Owner", "2")]));
            assert_eq!(found, (absent, same, other), "{operator}");
        }
    }

    #[test]
    fn of_several_values_all_or_any_have_to_be_so() {
        let wanted = json!(["a", "b"]);
        for (operator, tags, expected) in [
            ("ForAllValues:StringEquals", &[][..], true),
            ("ForAllValues:StringEquals", &["a", "b"], true),
            ("ForAllValues:StringEquals", &["a", "c"], false),
            ("ForAnyValue:StringEquals", &[], false),
            ("ForAnyValue:StringEquals", &["a", "c"], true),
            ("ForAnyValue:StringEquals", &["c"], false),
            ("ForAnyValue:StringEqualsIfExists", &[], true),
            ("ForAllValues:StringNotEquals", &["a", "c"], false),
            ("ForAnyValue:StringNotEquals", &["a", "c"], true),
        ] {
            let found = holds(operator, "aws:TagKeys", &wanted, &[], tags);
            assert_eq!(found, expected, "{operator} {tags:?}");
        }
        let aliases = [
            ("kms:ResourceAliases", "alias/old"),
            ("kms:ResourceAliases", "alias/ami"),
        ];
        let ami = json!("alias/ami");
        let any = "ForAnyValue:StringEquals";
        assert!(holds(any, "kms:ResourceAliases", &ami, &aliases, &[]));
        assert!(!holds(any, "kms:ResourceAliases", &ami, &aliases[..1], &[]));
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        let template = "arn:aws:ec2:eu-west-1:1:launch-template/lt-1";
        for (pattern, expected) in [
            (template, true),
            ("arn:aws:ec2:*:1:launch-template/*", true),
            ("arn:aws:ec2:*:2:launch-template/*", false),
            ("arn:*:launch-template/lt-1", false),
        ] {
            let context = [("ec2:LaunchTemplate", template)];
            let found = holds("ArnLike", "ec2:LaunchTemplate", &json!(pattern), &context, &[]);
            assert_eq!(found, expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for unknown in [
            json!({"DateLessThan": {"aws:RequestedRegion": "x"}}),
            json!({"ForNoValue:StringEquals": {"aws:TagKeys": "x"}}),
            json!({"NullIfExists": {"aws:TagKeys": "x"}}),
            json!({"StringEquals": {"aws:CurrentTime": "x"}}),
            json!({"StringEquals": {"aws:RequestTag/": "x"}}),
            json!({"StringEquals": {"ec2:Owner": 1}}),
            json!({"StringEquals": "x"}),
            json!("x"),
        ] {
            assert!(Condition::read_all(&unknown).is_err(), "{unknown}");
        }
        assert_eq!(Condition::read_all(&Value::Null), Ok(Vec::new()));
    }
}
