# An environment, a cluster, an account with a key, a topic, an ACL and a quota, by the provider of Confluent as it
# is: only the endpoint is another one. url, key and secret are rest_url, cloud_api_key and cloud_api_secret of
# quickstart.json (`leatd --data DIR --show`), or of a cloud key of your own:
#
#   export TF_VAR_url=http://127.0.0.1:8080 TF_VAR_key=… TF_VAR_secret=…
#   terraform init && terraform apply
#
# Names of clouds and regions mean nothing here, but the provider wants them. It waits by itself: half a minute for
# a quota, a minute and a half for a role, two for a key.
terraform {
  required_providers {
    confluent = { source = "confluentinc/confluent" }
  }
}

variable "url" {}
variable "key" { sensitive = true }
variable "secret" { sensitive = true }

provider "confluent" {
  endpoint         = var.url
  cloud_api_key    = var.key
  cloud_api_secret = var.secret
}

resource "confluent_environment" "shop" {
  display_name = "shop"
}

resource "confluent_kafka_cluster" "orders" {
  display_name = "orders"
  availability = "SINGLE_ZONE"
  cloud        = "AWS"
  region       = "us-east-2"
  basic {}
  environment { id = confluent_environment.shop.id }
}

resource "confluent_service_account" "app" {
  display_name = "till"
  description  = "the till"
}

resource "confluent_role_binding" "app" {
  principal   = "User:${confluent_service_account.app.id}"
  role_name   = "CloudClusterAdmin"
  crn_pattern = confluent_kafka_cluster.orders.rbac_crn
}

resource "confluent_api_key" "app" {
  display_name = "till"
  description  = "key of the till"
  owner {
    id          = confluent_service_account.app.id
    api_version = confluent_service_account.app.api_version
    kind        = confluent_service_account.app.kind
  }
  managed_resource {
    id          = confluent_kafka_cluster.orders.id
    api_version = confluent_kafka_cluster.orders.api_version
    kind        = confluent_kafka_cluster.orders.kind
    environment { id = confluent_environment.shop.id }
  }
  depends_on = [confluent_role_binding.app]
}

resource "confluent_kafka_topic" "orders" {
  kafka_cluster { id = confluent_kafka_cluster.orders.id }
  topic_name       = "orders"
  partitions_count = 4
  rest_endpoint    = confluent_kafka_cluster.orders.rest_endpoint
  config           = { "retention.ms" = "86400000" }
  credentials {
    key    = confluent_api_key.app.id
    secret = confluent_api_key.app.secret
  }
}

resource "confluent_kafka_acl" "read" {
  kafka_cluster { id = confluent_kafka_cluster.orders.id }
  resource_type = "TOPIC"
  resource_name = "orders"
  pattern_type  = "LITERAL"
  principal     = "User:${confluent_service_account.app.id}"
  host          = "*"
  operation     = "READ"
  permission    = "ALLOW"
  rest_endpoint = confluent_kafka_cluster.orders.rest_endpoint
  credentials {
    key    = confluent_api_key.app.id
    secret = confluent_api_key.app.secret
  }
}

resource "confluent_kafka_client_quota" "q" {
  display_name = "till"
  description  = "a quota"
  throughput {
    ingress_byte_rate = "1000000"
    egress_byte_rate  = "2000000"
  }
  principals = [confluent_service_account.app.id]
  kafka_cluster { id = confluent_kafka_cluster.orders.id }
  environment { id = confluent_environment.shop.id }
}

output "bootstrap" { value = confluent_kafka_cluster.orders.bootstrap_endpoint }
