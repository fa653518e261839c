output "queue_url" {
  description = "For events.queueURL of the chart"
  value       = one(aws_sqs_queue.events[*].url)
}

output "queue_arn" {
  description = "For amiseal iam-policy --event-queue"
  value       = one(aws_sqs_queue.events[*].arn)
}

output "bus_arn" {
  description = "For the variable bus_arn in other accounts and regions"
  value       = one(aws_cloudwatch_event_bus.events[*].arn)
}
