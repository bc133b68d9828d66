// The cluster over time.
import { useMemo } from 'preact/hooks';
import { bytes, count, duration } from '../format';
import { flows, sample, samples } from '../live';
import { OverTime } from '../over_time';
import { seg } from '../router';
import type { Cluster } from '../types';
import { Head } from '../ui';

export function Metrics({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const topic = (name: string) => `/clusters/${c.id}/topics/${seg(name)}?tab=metrics`;
  const group = (name: string) => `/clusters/${c.id}/groups/${seg(name)}`;
  const principal = (name: string) => (name.startsWith('User:sa-') ? `/clusters/${c.id}/access/${seg(name.slice('User:'.length))}` : undefined);
  useMemo(() => sample(c.id, Date.now(), flows(c)), [c]);
  const seen = samples(c.id);
  return (
    <>
      <Head title="Metrics" lead="By the minute for seven days, by the hour for ninety. Where a line is broken nobody looked: the service or the broker was not running." />
      <OverTime cluster={c.id} name={c.display_name} query={query} charts={['flow', 'records', 'lag', 'age', 'storage', 'requests', 'connections', 'throttle', 'cpu', 'memory']}
        live={{ flow: { samples: seen, order: [0, 1] }, connections: { samples: seen, order: [2] } }}
        limits={{ flow: [c.limits.ingress_bytes_per_s, c.limits.egress_bytes_per_s], storage: [c.limits.storage_bytes], connections: [c.limits.connections] }} parts={[
          { by: 'topic', kind: 'flow', metric: 'received_bytes', title: 'Topics by what came in', note: 'bytes per second', column: 'Topic', sum: 'In all', show: bytes, link: topic },
          { by: 'topic', kind: 'flow', metric: 'sent_bytes', title: 'Topics by what went out', note: 'bytes per second', column: 'Topic', sum: 'In all', show: bytes, link: topic },
          { by: 'principal_id', kind: 'flow', metric: 'request_bytes', title: 'Principals by what they produced', note: 'bytes per second', column: 'Principal', sum: 'In all', show: bytes, link: principal },
          { by: 'principal_id', kind: 'flow', metric: 'response_bytes', title: 'Principals by what they fetched', note: 'bytes per second', column: 'Principal', sum: 'In all', show: bytes, link: principal },
          { by: 'consumer_group_id', kind: 'lag', metric: 'consumer_lag_offsets', title: 'Groups by lag', note: 'records behind', column: 'Group', sum: 'At the end', show: count, link: group },
          { by: 'consumer_group_id', kind: 'age', metric: 'consumer_time_lag_ms', title: 'Groups by time lag', note: 'age of the oldest record not read', column: 'Group', sum: 'At the end', show: duration, link: group },
          { by: 'topic', kind: 'storage', metric: 'retained_bytes', title: 'Topics by size', note: 'bytes kept', column: 'Topic', sum: 'At the end', show: bytes, link: topic },
          { by: 'principal_id', kind: 'throttle', metric: 'throttle_time_ms', title: 'Held back by quotas', note: 'by principal', column: 'Principal', sum: 'In all', show: duration, link: principal },
        ]} />
    </>
  );
}
