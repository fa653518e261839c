# A queue of events for amiseal, and the rules that feed it. Apply it once in the controller's account, in the region that the queue is
# to be in, and then with bus_arn in every other account and region that policies name. docs/events.md says how.

locals {
  is_home   = var.bus_arn == ""
  is_shared = local.is_home && var.organization_id != ""

  # Calls that change images, and that undo guardrails.
  calls = [
    "ModifyImageAttribute",
    "DisableImage",
    "EnableImage",
    "DeregisterImage",
    "DisableImageDeregistrationProtection",
    "ModifySnapshotAttribute",
    "DisableEbsEncryptionByDefault",
    "ResetEbsDefaultKmsKeyId",
    "ModifyEbsDefaultKmsKeyId",
    "DisableImageBlockPublicAccess",
    "DisableSnapshotBlockPublicAccess",
    "EnableSnapshotBlockPublicAccess",
    "DisableAllowedImagesSettings",
    "EnableAllowedImagesSettings",
    "ReplaceImageCriteriaInAllowedImagesSettings",
  ]

  rules = {
    image-states = {
      description = "Images that come, change their state and go"
      pattern = {
        source      = ["aws.ec2"]
        detail-type = ["EC2 AMI State Change"]
      }
    }
    # It takes a trail that logs management events.
    calls = {
      description = "Calls that change images, and that undo guardrails"
      pattern = {
        source      = ["aws.ec2"]
        detail-type = ["AWS API Call via CloudTrail"]
        detail = {
          eventSource = ["ec2.amazonaws.com"]
          errorCode   = [{ exists = false }]
          eventName   = local.calls
        }
      }
    }
    parameters = {
      description = "Parameters that are changed"
      pattern = {
        source      = ["aws.ssm"]
        detail-type = ["Parameter Store Change"]
        detail      = { type = ["String"] }
      }
    }
  }
}

# What nobody has read within an hour is found by a scan.
resource "aws_sqs_queue" "events" {
  count                      = local.is_home ? 1 : 0
  name                       = var.name
  message_retention_seconds  = 3600
  visibility_timeout_seconds = 30
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
}

# Nobody but EventBridge sends, and that only for these rules.
data "aws_iam_policy_document" "queue" {
  count = local.is_home ? 1 : 0

  statement {
    sid       = "LetTheRulesSend"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events[0].arn]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = concat(values(aws_cloudwatch_event_rule.events)[*].arn, aws_cloudwatch_event_rule.forwarded[*].arn)
    }
  }

  statement {
    sid       = "RefuseWhatIsNotEncryptedOnTheWay"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [aws_sqs_queue.events[0].arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  count     = local.is_home ? 1 : 0
  queue_url = aws_sqs_queue.events[0].url
  policy    = data.aws_iam_policy_document.queue[0].json
}

# Where the other accounts and regions send their events.
resource "aws_cloudwatch_event_bus" "events" {
  count = local.is_shared ? 1 : 0
  name  = var.name
}

data "aws_iam_policy_document" "bus" {
  count = local.is_shared ? 1 : 0

  statement {
    sid       = "LetTheOrganizationSend"
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.events[0].arn]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalOrgID"
      values   = [var.organization_id]
    }
  }
}

resource "aws_cloudwatch_event_bus_policy" "events" {
  count          = local.is_shared ? 1 : 0
  event_bus_name = aws_cloudwatch_event_bus.events[0].name
  policy         = data.aws_iam_policy_document.bus[0].json
}

resource "aws_cloudwatch_event_rule" "forwarded" {
  count          = local.is_shared ? 1 : 0
  name           = "${var.name}-forwarded"
  description    = "What other accounts and regions have sent"
  event_bus_name = aws_cloudwatch_event_bus.events[0].name
  event_pattern = jsonencode({
    source      = ["aws.ec2", "aws.ssm"]
    detail-type = ["EC2 AMI State Change", "AWS API Call via CloudTrail", "Parameter Store Change"]
  })
}

resource "aws_cloudwatch_event_target" "forwarded" {
  count          = local.is_shared ? 1 : 0
  rule           = aws_cloudwatch_event_rule.forwarded[0].name
  event_bus_name = aws_cloudwatch_event_bus.events[0].name
  target_id      = "queue"
  arn            = aws_sqs_queue.events[0].arn
  retry_policy {
    maximum_event_age_in_seconds = 300
    maximum_retry_attempts       = 185
  }
}

resource "aws_cloudwatch_event_rule" "events" {
  for_each      = local.rules
  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "events" {
  for_each  = local.rules
  rule      = aws_cloudwatch_event_rule.events[each.key].name
  target_id = "amiseal"
  arn       = local.is_home ? aws_sqs_queue.events[0].arn : var.bus_arn
  role_arn  = local.is_home ? null : aws_iam_role.forwarder[0].arn
  retry_policy {
    maximum_event_age_in_seconds = 300
    maximum_retry_attempts       = 185
  }
}

# As whom EventBridge sends events to the bus of another account or region.
data "aws_iam_policy_document" "trust" {
  count = local.is_home ? 0 : 1

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "send" {
  count = local.is_home ? 0 : 1

  statement {
    actions   = ["events:PutEvents"]
    resources = [var.bus_arn]
  }
}

resource "aws_iam_role" "forwarder" {
  count              = local.is_home ? 0 : 1
  name_prefix        = "${var.name}-events-"
  assume_role_policy = data.aws_iam_policy_document.trust[0].json
}

resource "aws_iam_role_policy" "forwarder" {
  count  = local.is_home ? 0 : 1
  name   = "send"
  role   = aws_iam_role.forwarder[0].name
  policy = data.aws_iam_policy_document.send[0].json
}
