variable "bus_arn" {
  description = "The output bus_arn of the configuration in the controller's account; empty there"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9._-]+)?$", var.bus_arn))
    error_message = "It must be the ARN of an event bus."
  }
}

variable "organization_id" {
  description = "The organization whose accounts may send events; empty where the queue's account and region is the only one"
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(o-[a-z0-9]{10,32})?$", var.organization_id))
    error_message = "It must be the ID of an organization, such as o-a1b2c3d4e5."
  }
}

variable "name" {
  description = "The name of the queue and of the event bus, and what those of rules and role begin with"
  type        = string
  default     = "amiseal"
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,30}$", var.name))
    error_message = "It must have up to 30 letters, digits, hyphens and underscores."
  }
}
