//! Whose a thing is: what AWS says itself, and what the tags of the usual tools say.

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

/// The owner, by `Operator.Principal`, else by the first of the tags that is there.
pub(super) fn owner<'t>(principal: Option<&str>, tags: impl Iterator<Item = (&'t str, &'t str)>) -> Option<Owner> {
    if let Some(principal) = principal.filter(|principal| !principal.is_empty()) {
        return Some(Owner {
            by: principal.into(),
            name: None,
        });
    }
    let tags: Vec<(&str, &str)> = tags.collect();
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
    use super::*;

    #[test]
    fn what_aws_says_itself_comes_before_tags_and_more_telling_tags_before_others() {
        let tags = [
            ("aws:autoscaling:groupName", "web"),
            ("aws:cloudformation:stack-name", "shop"),
        ];
        let said = |principal, tags: &[(&'static str, &'static str)]| {
            owner(principal, tags.iter().copied()).map(|owner| (owner.by.to_string(), owner.name.map(String::from)))
        };
        assert_eq!(
            said(Some("eks.amazonaws.com"), &tags),
            Some(("eks.amazonaws.com".to_owned(), None))
        );
        assert_eq!(
            said(None, &tags),
            Some(("CloudFormation".to_owned(), Some("shop".to_owned())))
        );
        assert_eq!(said(None, &[("Name", "web")]), None);
    }
}
