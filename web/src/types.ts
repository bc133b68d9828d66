// What /leat/v1 answers, as far as the console reads it.
export type Limits = {
  ingress_bytes_per_s: number; egress_bytes_per_s: number; storage_bytes: number;
  partitions: number; connections: number; message_bytes: number;
};
export type Use = {
  topics: number; partitions: number; storage_bytes: number; connections: number;
  ingress_bytes_per_s: number; egress_bytes_per_s: number; records_in_per_s: number; records_out_per_s: number;
  requests_per_s: number; memory_bytes: number; cpu_ms: number;
};
// What is null is not limited by a control group.
export type Cgroup = {
  version: number; memory_bytes: number | null; memory_limit_bytes: number | null; out_of_memory: number | null;
  threads: number | null; threads_limit: number | null; cpu_weight: number | null;
};
export type Cluster = {
  id: string; display_name: string; environment: { id: string; display_name: string };
  plan: string; kind: string; tag: string; cloud: string; region: string; created_at: string;
  bootstrap_servers: string; tls_bootstrap_servers: string | null; security_protocol: string; sasl_mechanisms: string[];
  state: { name: string; reason: string; since: string; started_at: string | null; restarts: number; pid: number | null; last_end: { at: string; reason: string } | null };
  program: string;
  damage: { partitions: number; first: { topic_name: string; partition_id: number; offline: boolean; reason: string }[] };
  storage: { state: 'open' | 'at_limit' | 'held' | 'disk_full'; reason: string };
  paused: { at: string; reason: string } | null;
  isolation?: { own_user: boolean; uid: number; no_new_privileges: boolean; no_capabilities: boolean; landlock_abi: number; seccomp: boolean; rlimits: boolean; cgroup: Cgroup | null; missing: string[] } | null;
  format: { confirmed: number; written: number | null; newest: number; upgrade_to_confirm: boolean };
  metadata_version: number; acknowledged_version: number; deletion_protection: boolean;
  limits: Limits; use: Use;
  totals: { bytes_in: number; bytes_out: number; records_in: number; records_out: number; requests: number; errors: number; throttle_ms: number };
  worst_lag: { group: string; lag: number } | null;
};
export type Topic = {
  topic_name: string; topic_id: string; is_internal: boolean; partitions_count: number; replication_factor: number;
  records: number | null; bytes_stored: number | null; in_per_s: number; out_per_s: number; records_in_per_s: number;
  last_record_at: string | null; retention_ms: number; retention_bytes: number; cleanup_policy: string;
  worst_group: { group: string; lag: number } | null; group_count: number;
  partitions?: { partition_id: number; leader: number; replicas: number[]; start_offset: number; end_offset: number; high_watermark: number; bytes: number | null }[];
};
export type Group = {
  group_id: string; state: string; type: string; protocol: string; members: any; topics: string[];
  total_lag: number; max_lag: number; time_lag_ms: number | null; worst_topic: string; worst_partition: number;
  topic_lags: { topic: string; lag: number; time_lag_ms: number | null }[];
  lags?: { topic: string; partition: number; member_id: string; client_id: string; client_host: string; current_offset: number; log_start_offset: number; log_end_offset: number; lag: number; time_lag_ms: number | null }[];
};
export type Client = {
  principal: string | null; client_id: string | null; address: string | null; via: 'kafka' | 'rest';
  software_name: string | null; software_version: string | null; connected_at: string; roles: ('producer' | 'consumer')[];
  consumer_group_id: string | null; consumer_group_match: 'none' | 'connection' | 'client_id' | 'ambiguous'; producer_id: number | null;
  bytes_in: number; bytes_out: number; records_in: number; records_out: number; last_produced_at: string | null; last_fetched_at: string | null;
};
export type Field = { encoding: string; data: string | null; size: number };
export type Rec = {
  partition: number; offset: number; timestamp: number; timestamp_type: string; key: Field | null; value: Field | null;
  headers: { name: string; value: string | null; encoding: string }[]; truncated: boolean;
};
// Time for which a quota held it back; null: not known.
export type HeldBack = { throttle_ms_per_s: number; throttled_ms_last_minute: number | null; throttled_ms_last_hour: number | null };
export type Principal = {
  principal: string; display_name: string;
  quota: { ingress_bytes_per_s: number; egress_bytes_per_s: number; quota_id: string } | null;
  use: HeldBack & { ingress_bytes_per_s: number; egress_bytes_per_s: number };
  totals: { bytes_in: number; bytes_out: number; throttle_ms: number };
};
