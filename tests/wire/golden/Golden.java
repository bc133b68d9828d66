/* Golden.java - writes the files test_golden.c compares with, using Apache Kafka's own classes.
 *
 *   java -cp 'lib/*' Golden.java <repository>/broker-core/wire/schema/kafka.txt messages.txt batches.txt
 *
 * lib: kafka-clients, kafka-group-coordinator, kafka-transaction-coordinator and
 * kafka-share-coordinator 4.2.0 from Maven Central with what they need. Every field of every message
 * and version gets a value from one counter, in the order of Kafka's own schema; the bytes are also
 * read and written again by Kafka's generated class. Written anew only when the schema changes. */
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.utils.ByteUtils;
import org.apache.kafka.common.utils.Crc32C;

public class Golden {
    static long counter;

    static byte[] text(String prefix) {
        return (prefix + counter).getBytes(StandardCharsets.UTF_8);
    }

    static Object scalar(Type type) {
        counter++;
        if (type == Type.BOOLEAN) return true;
        if (type == Type.INT8) return (byte) (counter % 100 + 1);
        if (type == Type.INT16) return (short) (counter + 1000);
        if (type == Type.UINT16) return (int) (counter + 1000);
        if (type == Type.INT32) return (int) (counter + 100000);
        if (type == Type.UNSIGNED_INT32) return counter + 100000;
        if (type == Type.INT64) return counter + 10000000000L;
        if (type == Type.FLOAT64) return counter + 0.5;
        if (type == Type.UUID) return new Uuid(counter, counter + 1);
        String name = type.toString();
        if (name.contains("RECORDS")) return MemoryRecords.readableRecords(ByteBuffer.wrap(text("b")));
        if (name.contains("BYTES")) return ByteBuffer.wrap(text("b"));
        if (name.contains("STRING")) return "s" + counter;
        throw new IllegalStateException("type " + type);
    }

    /* Kafka's schemas do not say that a struct may be null: these are the fields where it may. */
    static final Set<String> nullable = new HashSet<>();

    static void put(ByteBuffer out, String message, Field f, Type type) {
        if (type instanceof Schema) {
            if (f != null && nullable.contains(message + "." + f.name)) out.put((byte) 1);
            for (BoundField inner : ((Schema) type).fields()) put(out, message, inner.def, inner.def.type);
        } else if (type instanceof TaggedFields) {
            putTagged(out, message, new TreeMap<>(((TaggedFields) type).fields()));
        } else if (type.isArray()) {
            if (type instanceof CompactArrayOf) ByteUtils.writeUnsignedVarint(3, out);
            else out.putInt(2);
            for (int i = 0; i < 2; i++) put(out, message, null, type.arrayElementType().get());
        } else {
            type.write(out, scalar(type));
        }
    }

    static void putTagged(ByteBuffer out, String message, SortedMap<Integer, Field> fields) {
        ByteUtils.writeUnsignedVarint(fields.size(), out);
        fields.forEach((tag, f) -> {
            ByteBuffer value = ByteBuffer.allocate(65536);
            put(value, message, f, f.type);
            ByteUtils.writeUnsignedVarint(tag, out);
            ByteUtils.writeUnsignedVarint(value.position(), out);
            out.put(value.flip());
        });
    }

    static Class<?> find(String kind, String name) throws Exception {
        String[] candidates = {
            "org.apache.kafka.common.message." + name + "Data",
            "org.apache.kafka.common.message." + name,
            "org.apache.kafka.coordinator.group.generated." + name,
            "org.apache.kafka.coordinator.transaction.generated." + name,
            "org.apache.kafka.coordinator.share.generated." + name,
        };
        for (String c : candidates) {
            try {
                return Class.forName(c);
            } catch (ClassNotFoundException e) {
                continue;
            }
        }
        throw new IllegalStateException("no class for " + name);
    }

    static void check(Class<?> type, short version, byte[] bytes) throws Exception {
        Message m = (Message) type.getDeclaredConstructor().newInstance();
        m.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), version);
        ByteBuffer again = MessageUtil.toByteBufferAccessor(m, version).buffer();
        if (!again.equals(ByteBuffer.wrap(bytes))) System.err.println("differs: " + type + " v" + version);
    }

    static void message(PrintWriter out, String kind, String name, String valid) throws Exception {
        Class<?> type = find(kind, name);
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        short low = type.getField("LOWEST_SUPPORTED_VERSION").getShort(null);
        short high = type.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
        String range = low == high ? "" + low : low + "-" + high;
        if (!range.equals(valid)) System.err.println(name + ": ours " + valid + ", Kafka " + range);
        for (short v = low; v <= high; v++) {
            counter = 0;
            ByteBuffer b = ByteBuffer.allocate(1 << 20);
            put(b, name, null, schemas[v]);
            byte[] bytes = Arrays.copyOf(b.array(), b.position());
            check(type, v, bytes);
            String hex = bytes.length <= 120 ? " " + HexFormat.of().formatHex(bytes) : "";
            out.printf("%s %d %d %08x%s%n", name, v, bytes.length, Crc32C.compute(bytes, 0, bytes.length), hex);
        }
    }

    static void batch(PrintWriter out, String name, Compression compression, TimestampType time,
                      long producer, boolean transactional) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(4096), RecordBatch.MAGIC_VALUE_V2,
            compression, time, 40, 5000, producer, producer < 0 ? (short) -1 : (short) 3,
            producer < 0 ? -1 : 2147483646, transactional, 9);
        Header[] none = new Header[0];
        b.append(1000, null, ByteBuffer.wrap("one".getBytes()), none);
        b.append(1001, ByteBuffer.wrap("k".getBytes()), null, new Header[] {
            new RecordHeader("h1", "v".getBytes()), new RecordHeader("h2", (byte[]) null) });
        b.append(900, ByteBuffer.wrap(new byte[0]), ByteBuffer.wrap("x".repeat(300).getBytes()), none);
        out.println(name + " " + HexFormat.of().formatHex(bytes(b.build())));
    }

    static byte[] bytes(MemoryRecords records) {
        byte[] bytes = new byte[records.sizeInBytes()];
        records.buffer().duplicate().get(bytes);
        return bytes;
    }

    static void marker(PrintWriter out, String name, ControlRecordType type) {
        MemoryRecords m = MemoryRecords.withEndTransactionMarker(0, 1234567, -1, 77, (short) 3,
            new EndTransactionMarker(type, 8));
        out.println(name + " " + HexFormat.of().formatHex(bytes(m)));
    }

    static void readNullable(List<String> schema) {
        String message = "";
        for (String line : schema) {
            String[] w = line.split(" ");
            if (w[0].equals("msg")) message = w[3];
            if (!w[0].startsWith(".") || !Character.isUpperCase(w[1].charAt(0))) continue;
            String name = w[0].replaceAll("^\\.+", "").replaceAll("(?<=[a-z])([A-Z])", "_$1").toLowerCase();
            for (String option : w) if (option.startsWith("null=")) nullable.add(message + "." + name);
        }
    }

    public static void main(String[] args) throws Exception {
        readNullable(Files.readAllLines(Path.of(args[0])));
        try (PrintWriter out = new PrintWriter(args[1])) {
            out.println("# made by Golden.java from Apache Kafka 4.2.0: message, version, length, CRC-32C, short ones in hex");
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                String[] w = line.split(" ");
                if (!w[0].equals("msg") || w[4].equals("valid=none")) continue;
                message(out, w[1], w[3], w[4].substring("valid=".length()));
            }
        }
        try (PrintWriter out = new PrintWriter(args[2])) {
            TimestampType create = TimestampType.CREATE_TIME;
            out.println("# made by Golden.java from Apache Kafka 4.2.0: name, one record batch in hex");
            batch(out, "none", Compression.NONE, create, -1, false);
            batch(out, "gzip", Compression.gzip().build(), create, -1, false);
            batch(out, "snappy", Compression.snappy().build(), create, -1, false);
            batch(out, "lz4", Compression.lz4().build(), create, -1, false);
            batch(out, "zstd", Compression.zstd().build(), create, -1, false);
            batch(out, "append-time", Compression.NONE, TimestampType.LOG_APPEND_TIME, -1, false);
            batch(out, "transactional", Compression.NONE, create, 77, true);
            marker(out, "commit", ControlRecordType.COMMIT);
            marker(out, "abort", ControlRecordType.ABORT);
        }
    }
}
