/* views.h - what tables show: "TITLE=path[:kind] …", a '_' in a title is a space. Kinds: n number,
 * b bytes, r bytes a second, d a duration in ms, t ms since 1970, l the length of a list. Behind '/':
 * "field:" and the columns of a list in the same object. */
#pragma once

#define V_ENVIRONMENT "ID=id NAME=display_name CREATED=metadata.created_at"
#define V_CLUSTER                                                                                  \
    "ID=id NAME=display_name ENVIRONMENT=environment.display_name STATE=state.name PLAN=plan "     \
    "TOPICS=use.topics:n STORED=use.storage_bytes:b IN=use.ingress_bytes_per_s:r "                 \
    "OUT=use.egress_bytes_per_s:r BOOTSTRAP=bootstrap_servers"
#define V_CLUSTER_ONE                                                                              \
    V_CLUSTER " TLS_BOOTSTRAP=tls_bootstrap_servers SECURITY=security_protocol "                   \
    "SASL=sasl_mechanisms TAG=tag CREATED=created_at SINCE=state.since RESTARTS=state.restarts:n " \
    "FORMAT=format.written UPGRADE_TO_CONFIRM=format.upgrade_to_confirm REASON=state.reason"
#define V_PROCESS                                                                                  \
    "ID=id ROLE=role STATE=state PID=pid STARTED=started_at RESTARTS=restarts:n CPU_MS=cpu_ms:n "  \
    "MEMORY=memory_rss_bytes:b THREADS=threads:n FILES=open_files:n DISK=disk_bytes:b"
#define V_BACKUP                                                                                   \
    "ID=id CLUSTER=cluster_id NAME=display_name MADE=created_at SIZE=bytes:b DESCRIPTION=description"
#define V_ACCOUNT "ID=id NAME=display_name DESCRIPTION=description"
#define V_KEY "KEY=id OWNER=spec.owner.id OPENS=spec.resource.id NAME=spec.display_name"
#define V_KEY_NEW V_KEY " SECRET=spec.secret"
#define V_QUOTA                                                                                    \
    "ID=id NAME=spec.display_name IN=spec.throughput.ingress_byte_rate:r "                         \
    "OUT=spec.throughput.egress_byte_rate:r PRINCIPALS=spec.principals"
#define V_KAFKA_QUOTA                                                                              \
    "USER=entity.user CLIENT_ID=entity.client_id IP=entity.ip IN=quotas.producer_byte_rate:r "     \
    "OUT=quotas.consumer_byte_rate:r REQUEST_%=quotas.request_percentage:n "                       \
    "MUTATIONS/S=quotas.controller_mutation_rate:n CONNECTIONS/S=quotas.connection_creation_rate:n " \
    "NOW_IN=use.ingress_bytes_per_s:r NOW_OUT=use.egress_bytes_per_s:r "                           \
    "NOW_REQUEST_%=use.request_percentage:n NOW_MUTATIONS/S=use.controller_mutations_per_s:n "     \
    "NOW_CONNECTIONS/S=use.connections_per_s:n THROTTLED_MS/S=use.throttle_ms_per_s:n "            \
    "OWNED_BY=client_quota_id"
#define V_PLAN                                                                                     \
    "PLAN=name CLUSTERS=clusters:n IN=limits.ingress_bytes_per_s:r OUT=limits.egress_bytes_per_s:r " \
    "STORAGE=limits.storage_bytes:b PARTITIONS=limits.partitions:n "                               \
    "CONNECTIONS=limits.connections:n LIFETIME_MS=limits.lifetime_ms:n"
#define V_LIMIT                                                                                    \
    "LIMIT=name ALLOWED=limit:n USED=use:n OF_THE_PLAN=plan_limit:n ITS_OWN=own_limit:n UNIT=unit"
#define V_REQUEST                                                                                  \
    "ID=id STATE=state CLUSTER=cluster_id TOPIC=topic_name PARTITIONS=partitions_count:n "         \
    "BY=requested_by WHY=justification REASON=reason"
#define V_POLICY                                                                                   \
    "ENVIRONMENT=environment PREFIX=name_prefix PATTERN=name_pattern MIN_PARTITIONS=partitions.min:n " \
    "MAX_PARTITIONS=partitions.max:n MIN_RETENTION_MS=retention_ms.min:n "                         \
    "MAX_RETENTION_MS=retention_ms.max:n DESCRIPTION=description"
#define V_COST                                                                                     \
    "DAY=start_date CLUSTER=resource.id NAME=resource.display_name WHAT=line_type "                \
    "QUANTITY=quantity UNIT=unit AMOUNT=amount"
#define V_PRICE "WHAT=line_type UNIT=unit PRICE=price"
#define V_APPLIED                                                                                  \
    "LIMIT=id SCOPE=scope WHAT=display_name ALLOWED=applied_limit:n DEFAULT=default_limit:n "      \
    "USED=usage:n CLUSTER=kafka_cluster.id"
#define V_BINDING "ID=id PRINCIPAL=principal ROLE=role_name WHERE=crn_pattern"
#define V_GROUP_MAPPING                                                                            \
    "ID=id NAME=display_name PRINCIPAL=principal GROUPS=filter STATE=state DESCRIPTION=description"
#define V_USER "ID=id EMAIL=email NAME=full_name SIGNS_IN_BY=auth_type"
#define V_INVITATION                                                                               \
    "ID=id EMAIL=email STATUS=status USER=user.id EXPIRES=expires_at ACCEPTED=accepted_at"
#define V_SESSION "ID=id ADDRESS=address SINCE=created_at UNTIL=expires_at THIS_ONE=current"
#define V_AUDIT                                                                                    \
    "ID=id AT=at ACTOR=actor BY=door ADDRESS=address OPERATION=operation RESOURCE=resource "       \
    "CLUSTER=cluster_id DETAIL=detail"
#define V_ROLLING                                                                                  \
    "PHASE=phase CLUSTERS=clusters:n RESTARTED=restarted:n NOW=cluster_id STARTED=started_at "     \
    "FINISHED=finished_at REASON=reason"
#define V_CERTIFICATE                                                                              \
    "SUBJECT=subject ISSUER=issuer FROM=not_before UNTIL=not_after SHA256=sha256_fingerprint "     \
    "MADE_BY=source FITS_HOST=fits_host CLIENTS=client_auth SERVED_AT=bootstrap_servers"
#define V_AUTHENTICATION                                                                           \
    "ISSUER=issuer AUDIENCE=audience PRINCIPAL=principal_claim KEYS_FROM=jwks_url "                \
    "FETCHED=jwks_fetched_at CLOCK_SKEW_MS=clock_skew_ms:n "                                       \
    "REAUTHENTICATE_AFTER_MS=connections_max_reauth_ms:n"
#define V_TOPIC                                                                                    \
    "TOPIC=topic_name PARTITIONS=partitions_count:n RECORDS=records:n STORED=bytes_stored:b "      \
    "IN=in_per_s:r OUT=out_per_s:r LAST_RECORD=last_record_at"
#define V_CLIENT_WHO                                                                               \
    "PRINCIPAL=principal CLIENT_ID=client_id ADDRESS=address ROLES=roles GROUP=consumer_group_id "
#define V_CLIENT_DID                                                                               \
    "IN=bytes_in:b OUT=bytes_out:b RECORDS_IN=records_in:n RECORDS_OUT=records_out:n "             \
    "PRODUCED=last_produced_at FETCHED=last_fetched_at CONNECTED=connected_at "                    \
    "SOFTWARE=software_name VERSION=software_version VIA=via"
#define V_CLIENT V_CLIENT_WHO "TOPICS=topics_count:n " V_CLIENT_DID
#define V_TOPIC_CLIENT V_CLIENT_WHO "PRODUCER=producer_id " V_CLIENT_DID
#define V_TOPIC_NEW "TOPIC=topic_name PARTITIONS=partitions_count:n"
#define V_TOPIC_ONE                                                                                \
    V_TOPIC " CLEANUP=cleanup_policy RETENTION_MS=retention_ms:n "                                 \
    "/ partitions: PARTITION=partition_id:n LEADER=leader:n START=start_offset:n "                 \
    "END=end_offset:n STORED=bytes:b"
#define V_CONFIG "NAME=name VALUE=value SOURCE=source"
#define V_PARTITION "TOPIC=topic_name PARTITION=partition_id:n"
#define V_REPLICA                                                                                  \
    "TOPIC=topic_name PARTITION=partition_id:n BROKER=broker_id:n LEADER=is_leader IN_SYNC=is_in_sync"
#define V_REASSIGNMENT                                                                             \
    "TOPIC=topic_name PARTITION=partition_id:n ADDING=adding_replicas REMOVING=removing_replicas"
#define V_ACL                                                                                      \
    "PRINCIPAL=principal PERMISSION=permission OPERATION=operation RESOURCE=resource_type "        \
    "NAME=resource_name PATTERN=pattern_type HOST=host"
#define V_BROKER "BROKER=broker_id HOST=host PORT=port RACK=rack"
#define V_GROUP                                                                                    \
    "GROUP=group_id STATE=state MEMBERS=members:n LAG=total_lag:n TIME_LAG=time_lag_ms:d "           \
    "WORST_TOPIC=worst_topic"
#define V_GROUP_ONE                                                                                \
    "GROUP=group_id STATE=state TYPE=type ASSIGNOR=protocol LAG=total_lag:n TIME_LAG=time_lag_ms:d " \
    "/ lags: TOPIC=topic PARTITION=partition:n CURRENT=current_offset:n END=log_end_offset:n LAG=lag:n " \
    "TIME_LAG=time_lag_ms:d MEMBER=member_id"
#define V_RESET                                                                                    \
    "TOPIC=topic PARTITION=partition:n NOW_AT=current_offset:n WILL_BE_AT=new_offset:n "           \
    "AGAIN=repeated:n SKIPPED=skipped:n LAG_AFTER=lag:n"
#define V_CONSUMER "MEMBER=consumer_id INSTANCE=instance_id CLIENT=client_id"
#define V_ASSIGNMENT "MEMBER=consumer_id TOPIC=topic_name PARTITION=partition_id:n"
#define V_LAG                                                                                      \
    "TOPIC=topic_name PARTITION=partition_id:n CURRENT=current_offset:n END=log_end_offset:n "     \
    "LAG=lag:n MEMBER=consumer_id CLIENT=client_id"
#define V_LAG_SUMMARY                                                                              \
    "GROUP=consumer_group_id TOTAL_LAG=total_lag:n MAX_LAG=max_lag:n TOPIC=max_lag_topic_name "    \
    "PARTITION=max_lag_partition_id:n CLIENT=max_lag_client_id"
#define V_SCRAM "USER=user_name PRINCIPAL=principal CREDENTIALS=credentials"
#define V_PRINCIPAL                                                                                \
    "PRINCIPAL=principal NAME=display_name IN=use.ingress_bytes_per_s:r "                          \
    "OUT=use.egress_bytes_per_s:r THROTTLED_MS/S=use.throttle_ms_per_s:n "                       \
    "IN_LAST_MINUTE=use.throttled_ms_last_minute:n IN_LAST_HOUR=use.throttled_ms_last_hour:n "     \
    "MAY_SEND=quota.ingress_bytes_per_s:r MAY_READ=quota.egress_bytes_per_s:r"
#define V_ALERT                                                                                    \
    "ID=id STATE=state SEVERITY=severity RULE=rule_name CLUSTER=cluster_name RESOURCE=resource "   \
    "VALUE=value:n BEGAN=began_at RESOLVED=resolved_at SILENCED=silenced WHAT=text"
#define V_ALERT_RULE                                                                               \
    "ID=id NAME=name WATCHES=watches SEVERITY=severity ENABLED=enabled THRESHOLD=threshold:n "     \
    "UNIT=unit CLUSTER=cluster_id RESOURCE=resource CHANNELS=channels"
#define V_ALERT_RULE_ONE                                                                           \
    V_ALERT_RULE " ENVIRONMENT=environment_id FOR_MS=for_ms:n RESOLVE_MS=resolve_ms:n "            \
    "REPEAT_MS=repeat_ms:n DESCRIPTION=description"
#define V_ALERT_CHANNEL                                                                            \
    "ID=id NAME=name TYPE=type ENABLED=enabled URL=url TO=to SENT=sent_at FAILED=failed_at ERROR=error"
#define V_ALERT_DELIVERY                                                                           \
    "ID=id CHANNEL=channel_id RULE=rule_id CAUSE=cause STATE=state ALERTS=alerts:n "               \
    "ATTEMPTS=attempts:n ANSWER=status CREATED=created_at DONE=done_at ERROR=error"
#define V_ALERT_SILENCE                                                                            \
    "ID=id STATE=state RULE=rule_id CLUSTER=cluster_id RESOURCE=resource FROM=starts_at "          \
    "UNTIL=ends_at BY=created_by WHY=comment"
