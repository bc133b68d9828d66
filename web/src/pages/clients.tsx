// Who is connected to the cluster now: a row a connection.
import { useGet } from '../api';
import { count, plural } from '../format';
import { setQuery } from '../router';
import type { Client, Cluster } from '../types';
import { Banner, Bytes, Empty, Head, Skeleton, Table } from '../ui';
import { From, GroupOf, Who, when } from './topic_clients';

type Connection = Client & { topics_count: number };
const SHOWN = 200;
const text = (x: Connection) => [x.client_id, x.principal, x.address, x.software_name, x.software_version, x.consumer_group_id].join(' ').toLowerCase();
const does = (x: Connection) => x.roles.map(r => (r === 'producer' ? 'produces' : 'reads')).join(', ');

export function Clients({ c, query }: { c: Cluster; query: URLSearchParams }) {
  const runs = c.state.name === 'running';
  const list = useGet<{ data: Connection[]; others: number }>(runs ? `/leat/v1/clusters/${c.id}/clients` : null, 5000);
  const find = (query.get('find') || '').toLowerCase();
  const every = list.value?.data || [];
  const found = every.filter(x => text(x).includes(find));
  const total = every.length + (list.value?.others || 0);
  const key = (x: Connection) => String(every.indexOf(x)); // two may be alike in all they say
  return (
    <>
      <Head title="Clients" lead={!runs ? 'Who is connected is known while the broker runs.' : !list.value ? ' ' : `${plural(total, 'connection')} of Kafka clients now. A client often has several: one for records, one for its group.`} />
      {list.error && <Banner>{list.error}</Banner>}
      {!runs ? <Empty title="The cluster does not run">Resume or start it first.</Empty> : !list.value ? (!list.error && <Skeleton />) :
        every.length === 0 ? <Empty title="Nobody is connected">Keys for clients are made under <a href={`/clusters/${c.id}/access`}>Access</a>.</Empty> : <>
          <div class="bar"><input type="search" class="in find" aria-label="Find a client" placeholder="client, principal, address, group" value={query.get('find') || ''} onInput={e => setQuery({ find: e.currentTarget.value })} /></div>
          {found.length > SHOWN || list.value.others > 0 ? <Banner kind="info">{`${count(Math.min(found.length, SHOWN))} of ${plural(found.length, 'connection')} are shown.`}{list.value.others > 0 && ` ${count(list.value.others)} more are connected; the first thousand are named.`}</Banner> : null}
          {found.length === 0 ? <Empty title="No client matches">Of {plural(every.length, 'connection')}.</Empty> :
            <Table label="Clients" rows={found.slice(0, SHOWN)} rowKey={key} columns={[
              { title: 'Client', cell: x => <Who x={x} /> },
              { title: 'From', narrow: 'p2', cell: x => <From x={x} /> },
              { title: 'Does', cell: x => does(x) ? <>{does(x)} <span class="unit">{plural(x.topics_count, 'topic')}</span></> : <span class="quiet-ink">no records</span> },
              { title: 'Group', cell: x => <GroupOf c={c} x={x} /> },
              { title: 'Sent', num: true, cell: x => <Bytes n={x.bytes_in} /> },
              { title: 'Read', num: true, cell: x => <Bytes n={x.bytes_out} /> },
              { title: 'Connected', num: true, narrow: 'p3', cell: x => when(x.connected_at) },
            ]} />}
        </>}
    </>
  );
}
