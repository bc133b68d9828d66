/* Records.java - what a broker wrote about some groups, read from __consumer_offsets by Kafka's own consumer and decoded by
 * Kafka's own group coordinator: one line of JSON a record, in the order of the log.
 *   java -cp LIB/* Records.java PORT GROUP… */
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.generated.CoordinatorRecordJsonConverters;

class Records {
    static final ObjectMapper JSON = new ObjectMapper();
    static final GroupCoordinatorRecordSerde SERDE = new GroupCoordinatorRecordSerde();

    public static void main(String[] args) throws Exception {
        Set<String> groups = Set.copyOf(List.of(args).subList(1, args.length));
        Map<String, Object> config = Map.of("bootstrap.servers", "127.0.0.1:" + args[0], "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> all = consumer.partitionsFor("__consumer_offsets").stream()
                .map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            consumer.assign(all);
            consumer.seekToBeginning(all);
            while (all.stream().anyMatch(p -> consumer.position(p) < ends.get(p)))
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) print(r, groups);
        }
    }

    static void print(ConsumerRecord<byte[], byte[]> r, Set<String> groups) throws Exception {
        ByteBuffer value = r.value() == null ? null : ByteBuffer.wrap(r.value());
        CoordinatorRecord record = SERDE.deserialize(ByteBuffer.wrap(r.key()), value);
        JsonNode key = CoordinatorRecordJsonConverters.writeRecordKeyAsJson(record.key());
        if (!groups.contains(key.path("groupId").asText(key.path("group").asText()))) return;
        ObjectNode out = JSON.createObjectNode();
        out.put("type", record.key().apiKey());
        out.set("key", key);
        if (record.value() != null) {
            out.put("version", record.value().version());
            out.set("value", CoordinatorRecordJsonConverters.writeRecordValueAsJson(record.value().message(), record.value().version()));
        }
        System.out.println(out);
    }
}
