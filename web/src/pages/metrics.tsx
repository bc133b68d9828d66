// The cluster over time.
import { bytes, count, duration } from '../format';
import { OverTime } from '../over_time';
import { seg } from '../router';
import type { Cluster } from '../types';
import { Head } from '../ui';

export function Metrics({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const topic = (name: string) => `/clusters/${c.id}/topics/${seg(name)}?tab=metrics`;
  const group = (name: string) => `/clusters/${c.id}/groups/${seg(name)}`;
  return (
    <>
      <Head title="Metrics" lead="By the minute for seven days, by the hour for ninety. Where a line is broken nobody looked: the service or the broker was not running." />
      <OverTime cluster={c.id} name={c.display_name} query={query} charts={['flow', 'records', 'lag', 'age', 'storage', 'requests', 'connections', 'throttle', 'cpu', 'memory']} tops={[
        { by: 'topic', metric: 'received_bytes', title: 'Topics by what came in', column: 'Topic', note: 'Bytes in', show: bytes, link: topic },
        { by: 'topic', metric: 'retained_bytes', title: 'Topics by size', column: 'Topic', note: 'Stored', show: bytes, link: topic },
        { by: 'consumer_group_id', metric: 'consumer_lag_offsets', title: 'Groups by lag', column: 'Group', note: 'Records behind', show: count, link: group },
        { by: 'principal_id', metric: 'throttle_time_ms', title: 'Held back by quotas', column: 'Principal', note: 'Time', show: duration },
      ]} />
    </>
  );
}
