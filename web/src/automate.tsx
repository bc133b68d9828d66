// "Automate this": the REST call behind the page, and the same on the command line.
import { Code, Overlay } from './ui';
import { seg } from './router';
import type { Cluster } from './types';

export type Recipe = { path: string[]; cluster?: Cluster };

function recipes({ path, cluster }: Recipe): { what: string; curl: string; cli?: string }[] {
  const url = location.origin;
  const auth = "curl -u \"$LEAT_API_KEY:$LEAT_API_SECRET\"";
  const json = "-H 'Content-Type: application/json'";
  const send = (method: string, to: string, body: unknown) => `${auth} ${json} -X ${method} \\\n  -d '${JSON.stringify(body)}' \\\n  '${url}${to}'`;
  const read = (to: string) => `${auth} '${url}${to}'`;
  if (!cluster) {
    if (path[0] === 'alerts') return [
      { what: 'What fires', curl: read('/leat/v1/alerts?state=firing') },
      { what: 'Be told by a webhook', curl: send('POST', '/leat/v1/alert-channels', { name: 'on call', type: 'webhook', url: 'https://example.com/hook' }) },
      { what: 'Watch the lag of groups', curl: send('POST', '/leat/v1/alert-rules', { name: 'Slow consumers', watches: 'lag', threshold: 10000, for_ms: 300000 }) },
    ];
    if (path[0] === 'backups') return [
      { what: 'List backups', curl: read('/leat/v1/backups'), cli: 'leat backups' },
      { what: 'Restore one as a new cluster', curl: send('POST', '/leat/v1/backups/bk-…:restore', { display_name: 'orders-restored' }), cli: 'leat backups restore bk-…' },
    ];
    if (path[0] === 'costs') return [{ what: 'What was used in a month', curl: read('/billing/v1/costs?start_date=2026-01-01&end_date=2026-02-01') }, { what: 'Set prices', curl: send('PUT', '/leat/v1/prices', { prices: { KAFKA_STORAGE: 0.0001 } }) }];
    if (path[0] === 'service') return [
      { what: 'Start every cluster anew, one at a time', curl: `${auth} -X POST '${url}/leat/v1/clusters:rolling-restart'`, cli: 'leat rolling-restart start --yes' },
      { what: 'Copy the database', curl: `${auth} -X POST '${url}/leat/v1/database:backup'`, cli: 'leat backups database' },
    ];
    return path[0] === 'audit' ? [{ what: 'Read the audit log', curl: read('/leat/v1/audit') }] : [
      { what: 'List clusters with state and use', curl: read('/leat/v1/clusters'), cli: 'leat clusters' },
      { what: 'Make a cluster', curl: send('POST', '/cmk/v2/clusters', { spec: { display_name: 'orders', availability: 'SINGLE_ZONE', cloud: 'leat', region: 'local', config: { kind: 'Basic' }, environment: { id: 'env-…' } } }), cli: 'leat clusters create orders --environment env-… --kind Basic' },
    ];
  }
  const id = cluster.id;
  const kafka = `/kafka/v3/clusters/${id}`;
  const on = ` --cluster ${id}`;
  const name = path[3];
  switch (path[2]) {
    case 'topics': return name ? [
      { what: 'Read the newest records', curl: read(`/leat/v1/clusters/${id}/topics/${seg(name)}/records?from=newest&limit=20`), cli: `leat consume ${name} --limit 20${on}` },
      { what: 'Search for records', curl: read(`/leat/v1/clusters/${id}/topics/${seg(name)}/records:search?filter=${seg('value.amount > 100')}`).replace('curl', 'curl -N') },
      { what: 'Write a record', curl: send('POST', `${kafka}/topics/${seg(name)}/records`, { value: { type: 'JSON', data: { hello: 'world' } } }), cli: `echo hello | leat produce ${name}${on}` },
      { what: 'Who produces to it and who reads it', curl: read(`/leat/v1/clusters/${id}/topics/${seg(name)}/clients`), cli: `leat topics clients ${name}${on}` },
      { what: 'Change a config', curl: send('POST', `${kafka}/topics/${seg(name)}/configs:alter`, { data: [{ name: 'retention.ms', value: '86400000' }] }), cli: `leat topics config ${name} retention.ms=86400000${on}` },
    ] : [
      { what: 'List topics', curl: read(`/leat/v1/clusters/${id}/topics`), cli: `leat topics${on}` },
      { what: 'Make a topic', curl: send('POST', `${kafka}/topics`, { topic_name: 'orders', partitions_count: 6 }), cli: `leat topics create orders --partitions 6${on}` },
    ];
    case 'groups': return name ? [{ what: 'Lag of this group by partition', curl: read(`${kafka}/consumer-groups/${seg(name)}/lags`), cli: `leat groups show ${name}${on}` },
      { what: 'What a reset to the oldest record would do', curl: send('POST', `/leat/v1/clusters/${id}/groups/${seg(name)}:reset-offsets`, { to: 'earliest', dry_run: true }), cli: `leat groups reset ${name} --to earliest${on}` }]
      : [{ what: 'List groups with lag', curl: read(`/leat/v1/clusters/${id}/groups`), cli: `leat groups${on}` }];
    case 'metrics': return [
      { what: 'What came in and went out in the last day', curl: read(`/leat/v1/clusters/${id}/history?span=24h&metric=received_bytes&metric=sent_bytes`), cli: `leat metrics history received_bytes --span 24h${on}` },
      { what: 'The lag of each group', curl: read(`/leat/v1/clusters/${id}/history?span=1h&metric=consumer_lag_offsets&by=consumer_group_id`), cli: `leat metrics history consumer_lag_offsets --by consumer_group_id${on}` },
    ];
    case 'clients': return [{ what: 'Who is connected', curl: read(`/leat/v1/clusters/${id}/clients`), cli: `leat clusters clients ${id}` }];
    case 'access': return [
      { what: 'Make a service account', curl: send('POST', '/iam/v2/service-accounts', { display_name: 'orders-api', description: '' }), cli: 'leat accounts create orders-api' },
      { what: 'Make a key for it', curl: send('POST', '/iam/v2/api-keys', { spec: { display_name: 'orders-api', description: '', owner: { id: name || 'sa-…' }, resource: { id } } }), cli: `leat keys create --account ${name || 'sa-…'}${on}` },
      { what: 'Allow it to write', curl: send('POST', `${kafka}/acls`, { resource_type: 'TOPIC', resource_name: 'orders', pattern_type: 'LITERAL', principal: `User:${name || 'sa-…'}`, host: '*', operation: 'WRITE', permission: 'ALLOW' }), cli: `leat acls allow --account ${name || 'sa-…'} --operation WRITE --topic orders${on}` },
      { what: 'Make a SCRAM user; the password is made up and in the answer', curl: send('PUT', `/leat/v1/clusters/${id}/scram-users/warehouse`, { mechanism: 'SCRAM-SHA-512' }) },
    ];
    case 'quotas': return [{ what: 'Limit a service account', curl: send('POST', '/kafka-quotas/v1/client-quotas', { spec: { display_name: 'orders-api', description: '', throughput: { ingress_byte_rate: '1000000', egress_byte_rate: '2000000' }, cluster: { id }, principals: [{ id: 'sa-…' }], environment: { id: cluster.environment.id } } }), cli: `leat quotas create orders-api --in 1000000 --out 2000000 --account sa-…${on}` },
      { what: 'Limit a client id', curl: send('PUT', `/leat/v1/clusters/${id}/kafka-quotas`, { entity: { client_id: 'orders-api' }, quotas: { producer_byte_rate: 1000000 } }) }];
    case 'security': return [{ what: 'Serve a certificate of your own', curl: send('PUT', `/leat/v1/clusters/${id}/certificate`, { certificate: '-----BEGIN …', private_key: '-----BEGIN …' }), cli: `leat certificates replace --certificate leaf.pem --private-key key.pem${on}` },
      { what: 'Take bearer tokens', curl: send('PUT', `/leat/v1/clusters/${id}/authentication`, { issuer: 'https://login.example.com', audience: 'kafka', jwks_url: 'https://login.example.com/jwks' }) }];
    case 'processes': return [{ what: 'What its processes use', curl: read(`/leat/v1/clusters/${id}/processes`), cli: `leat clusters processes ${id}` }, { what: 'Restart its broker', curl: `${auth} -X POST '${url}/leat/v1/clusters/${id}:restart'`, cli: `leat clusters restart ${id}` }];
    case 'logs': return [{ what: 'The last lines of its log', curl: read(`/leat/v1/clusters/${id}/logs?lines=100`), cli: `leat clusters logs ${id}` }];
    case 'backups': return [{ what: 'Back it up', curl: send('POST', `/leat/v1/clusters/${id}/backups`, { description: 'before the migration' }), cli: `leat backups create ${id}` }];
    case 'audit': return [{ what: 'Read the audit log of this cluster', curl: read(`/leat/v1/audit?cluster_id=${id}`) }];
    default: return [{ what: 'This cluster: state, limits and use', curl: read(`/leat/v1/clusters/${id}`), cli: `leat clusters show ${id}` }];
  }
}

export const Automate = ({ recipe, onClose }: { recipe: Recipe; onClose: () => void }) => (
  <Overlay title="Automate this" onClose={onClose} drawer wide>
    <div class="dlg-body">
      <p class="lead">What this page shows and does, as REST and on the command line. The key is a cloud key.</p><br />
      {recipes(recipe).map(r => <><h2>{r.what}</h2><br /><Code label="curl" text={r.curl} />{r.cli && <Code label="leat" text={r.cli} />}</>)}
    </div>
  </Overlay>
);
