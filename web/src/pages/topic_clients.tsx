// Who produces to a topic and who reads it, of those who are connected now.
import { useGet } from '../api';
import { ago, count, dateTime, plural } from '../format';
import { seg } from '../router';
import type { Client, Cluster } from '../types';
import { Banner, Bytes, Empty, Section, Skeleton, Table, type Column } from '../ui';

type Answer = { data: Client[]; others: number };
export const when = (ts: string | null) => <span title={ts ? dateTime(ts) : undefined}>{ago(ts)}</span>;

export function Who({ x }: { x: Client }) {
  const software = [x.software_name, x.software_version].filter(Boolean).join(' ');
  return x.via === 'rest'
    ? <>REST or the console<small class="mono">{x.principal}</small></>
    : <><span class="mono">{x.client_id || '(no client id)'}</span><small><span class="mono">{x.principal}</span>{software && <> · {software}</>}</small></>;
}

export const From = ({ x }: { x: Client }) => (x.address ? <span class="mono">{x.address}</span> : <span class="quiet-ink">leatd</span>);
export function GroupOf({ c, x }: { c: Cluster; x: Client }) {
  if (x.consumer_group_id) {
    const how = x.consumer_group_match === 'connection' ? 'This connection sends the heartbeats of a member of it.' : 'Clients of this principal, client id and address are members of no other group.';
    return <a class="name" title={how} href={`/clusters/${c.id}/groups/${seg(x.consumer_group_id)}`}>{x.consumer_group_id}</a>;
  }
  return x.consumer_group_match === 'ambiguous'
    ? <span class="quiet-ink" title="Clients of this principal, client id and address are members of several groups. Client ids that differ tell them apart.">one of several</span>
    : <span class="quiet-ink">none</span>;
}

export function TopicClients({ c, name }: { c: Cluster; name: string }) {
  const runs = c.state.name === 'running';
  const list = useGet<Answer>(runs ? `/leat/v1/clusters/${c.id}/topics/${seg(name)}/clients` : null, 3000);
  if (!runs) return <Empty title="The cluster does not run">Who is connected is known while its broker runs.</Empty>;
  if (!list.value) return list.error ? <Banner>{list.error}</Banner> : <Skeleton />;
  const having = (role: Client['roles'][number]) => list.value!.data.filter(x => x.roles.includes(role));
  const producers = having('producer'), readers = having('consumer');
  const key = (x: Client) => String(list.value!.data.indexOf(x)); // two may be alike in all they say
  const who: Column<Client> = { title: 'Client', cell: x => <Who x={x} /> };
  const from: Column<Client> = { title: 'From', narrow: 'p2', cell: x => <From x={x} /> };
  const since: Column<Client> = { title: 'Connected', num: true, narrow: 'p3', cell: x => when(x.connected_at) };
  return (
    <div class="stack">
      {list.error && <Banner>{list.error}</Banner>}
      {list.value.others > 0 && <Banner kind="info">{plural(list.value.others, 'more connection')} may use this topic: too many are connected, or they use too many topics, to name each.</Banner>}
      <Section title="Producers" note="records of this topic since each connected">
        {producers.length === 0 ? <Empty title="Nobody who is connected has produced to this topic">A client shows here once a record of it was accepted.</Empty> :
          <Table label="Producers" rows={producers} rowKey={key} columns={[who, from,
            { title: 'Producer id', narrow: 'p3', cell: x => x.producer_id === null ? <span class="quiet-ink" title="It may write a record twice when it tries again">not idempotent</span> : <span class="mono">{String(x.producer_id)}</span> },
            { title: 'Records', num: true, cell: x => count(x.records_in) },
            { title: 'Size', num: true, cell: x => <Bytes n={x.bytes_in} /> },
            { title: 'Last record', num: true, cell: x => when(x.last_produced_at) }, since]} />}
      </Section>
      <Section title="Readers" note="records of this topic since each connected">
        {readers.length === 0 ? <Empty title="Nobody who is connected reads this topic">A client shows here once it asks for records, whether there are any or not.</Empty> :
          <Table label="Readers" rows={readers} rowKey={key} columns={[who,
            { title: 'Group', cell: x => <GroupOf c={c} x={x} /> }, from,
            { title: 'Records', num: true, cell: x => count(x.records_out) },
            { title: 'Size', num: true, cell: x => <Bytes n={x.bytes_out} /> },
            { title: 'Last asked', num: true, cell: x => when(x.last_fetched_at) }, since]} />}
      </Section>
    </div>
  );
}
