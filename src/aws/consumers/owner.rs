//! Whose a thing is: what AWS says itself, and what the tags of the usual tools say.

use super::Query;
use crate::domain::Owner;

/// Tags that tools and services put on what is theirs, and who they are.
const TAGS: [(&str, &str); 6] = [
    ("aws:cloudformation:stack-name", "CloudFormation"),
    ("elasticbeanstalk:environment-name", "Elastic Beanstalk"),
    ("eks:cluster-name", "EKS"),
    ("karpenter.sh/nodepool", "Karpenter"),
    ("aws:ec2spot:fleet-request-id", "Spot Fleet"),
    ("aws:autoscaling:groupName", "Auto Scaling"),
];

/// The owner, by `Operator.Principal`, else by the first of the tags that is there: those that were asked for come first.
pub(in crate::aws) fn owner<'t>(
    query: &Query,
    principal: Option<&str>,
    tags: impl Iterator<Item = (&'t str, &'t str)>,
) -> Option<Owner> {
    if let Some(principal) = principal.filter(|principal| !principal.is_empty()) {
        return Some(Owner {
            by: principal.into(),
            name: None,
        });
    }
    let tags: Vec<(&str, &str)> = tags.collect();
    let asked = query.owned_by.iter().find_map(|(key, glob)| {
        let (_, name) = tags
            .iter()
            .find(|(known, name)| *known == &**key && glob.matches(name))?;
        Some(Owner {
            by: key.clone(),
            name: (!name.is_empty()).then(|| (*name).into()),
        })
    });
    if asked.is_some() {
        return asked;
    }
    TAGS.iter().find_map(|(key, by)| {
        let (_, name) = tags.iter().find(|(known, _)| known == key)?;
        Some(Owner {
            by: (*by).into(),
            name: (!name.is_empty()).then(|| (*name).into()),
        })
    })
}

#[cfg(test)]
mod tests {
    use wildmatch::WildMatch;

    use super::*;

    #[test]
    fn what_aws_says_itself_comes_before_tags_and_more_telling_tags_before_others() {
        let tags = [
            ("aws:autoscaling:groupName", "web"),
            ("aws:cloudformation:stack-name", "shop"),
        ];
        let said_of = |query: &Query, principal, tags: &[(&'static str, &'static str)]| {
            let owner = owner(query, principal, tags.iter().copied());
            owner.map(|owner| (owner.by.to_string(), owner.name.map(String::from)))
        };
        let said = |principal, tags| said_of(&Query::default(), principal, tags);
        assert_eq!(
            said(Some("eks.amazonaws.com"), &tags),
            Some(("eks.amazonaws.com".to_owned(), None))
        );
        assert_eq!(
            said(None, &tags),
            Some(("CloudFormation".to_owned(), Some("shop".to_owned())))
        );
        assert_eq!(said(None, &[("Name", "web")]), None);

        let query = Query {
            owned_by: vec![("terraform".into(), WildMatch::new("shop-*"))],
            ..Query::default()
        };
        let declared = |value| [tags[0], tags[1], ("terraform", value)];
        assert_eq!(
            said_of(&query, None, &declared("shop-web")),
            Some(("terraform".to_owned(), Some("shop-web".to_owned())))
        );
        assert_eq!(said_of(&query, None, &declared("else")), said(None, &tags));
        assert_eq!(
            said_of(&query, Some("eks.amazonaws.com"), &declared("shop-web")),
            said(Some("eks.amazonaws.com"), &tags)
        );
    }
}
