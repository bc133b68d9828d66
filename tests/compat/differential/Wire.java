/* Wire.java - speaks to two brokers at once with Apache Kafka's own message classes.
 *
 *   java -cp '<jars>/*' Wire.java        one JSON request a line on stdin, one JSON answer a line on stdout
 *
 *   {"op": "open", "side": S, "host": H, "port": P}                  where broker S listens
 *   {"op": "apis"}                                                    every client API: key, name, min, max
 *   {"op": "call", "connection": C, "api": NAME, "version": V,        sends to each side its body, then reads
 *    "bodies": {S: {...}}, "reply": false, "timeout_ms": N}           one answer from each
 *   {"op": "send" | "receive", ...}                                   the two halves of call
 *   {"op": "raw", "connection": C, "frame": HEX}                      a frame as it is, and what comes back
 *   {"op": "close", "connection": C}
 *
 * A body names only what differs from the defaults, by the names of Kafka's schemas; a field that the
 * version does not have is left out. Bytes are {"text": ...} or {"hex": ...}; records are
 * {"batches": [{...}]}, see batch(). An answer of a side is {"answer": body}, {"closed": true} or
 * {"silent": true}; "bytes" is added when Kafka's writer would not have written it with these bytes. */
import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.io.*;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.ResponseHeader;
import org.apache.kafka.common.utils.ImplicitLinkedHashCollection;

public class Wire {
    static final ObjectMapper json = new ObjectMapper();
    static final JsonNodeFactory nodes = JsonNodeFactory.instance;

    /* --- bodies: sparse JSON into Kafka's message objects ------------------------------------------- */

    static String snake(String camel) {
        return camel.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    static Type typeOf(Schema schema, String name) {
        for (BoundField f : schema.fields()) {
            if (f.def.name.equals(name)) return f.def.type;
            if (f.def.type instanceof TaggedFields)
                for (Field tagged : ((TaggedFields) f.def.type).fields().values())
                    if (tagged.name.equals(name)) return tagged.type;
        }
        return null;
    }

    static Method setter(Class<?> type, String field) {
        String name = "set" + Character.toUpperCase(field.charAt(0)) + field.substring(1);
        for (Method m : type.getMethods())
            if (m.getName().equals(name) && m.getParameterCount() == 1) return m;
        throw new IllegalArgumentException(type.getSimpleName() + " has no field " + field);
    }

    static void fill(Object message, ObjectNode body, Schema schema) throws Exception {
        for (Iterator<Map.Entry<String, JsonNode>> it = body.fields(); it.hasNext();) {
            Map.Entry<String, JsonNode> entry = it.next();
            Method setter = setter(message.getClass(), entry.getKey());
            Type type = typeOf(schema, snake(entry.getKey()));
            if (type == null) continue;
            setter.invoke(message, value(entry.getValue(), setter.getParameterTypes()[0],
                                         setter.getGenericParameterTypes()[0], type));
        }
    }

    static Object value(JsonNode node, Class<?> type, java.lang.reflect.Type generic, Type schema) throws Exception {
        if (node.isNull()) return null;
        if (type == String.class) return node.asText();
        if (type == boolean.class) return node.asBoolean();
        if (type == byte.class || type == Byte.class) return (byte) node.asInt();
        if (type == short.class || type == Short.class) return (short) node.asInt();
        if (type == int.class || type == Integer.class) return node.asInt();
        if (type == long.class || type == Long.class) return node.asLong();
        if (type == double.class) return node.asDouble();
        if (type == Uuid.class) return Uuid.fromString(node.asText());
        if (type == byte[].class) return bytes(node);
        if (type == ByteBuffer.class) return ByteBuffer.wrap(bytes(node));
        if (BaseRecords.class.isAssignableFrom(type)) return records(node);
        if (Collection.class.isAssignableFrom(type)) return list(node, type, generic, schema);
        Object struct = type.getDeclaredConstructor().newInstance();
        fill(struct, (ObjectNode) node, (Schema) schema);
        return struct;
    }

    @SuppressWarnings("unchecked")
    static Object list(JsonNode node, Class<?> type, java.lang.reflect.Type generic, Type schema) throws Exception {
        java.lang.reflect.Type holder = type == List.class ? generic : type.getGenericSuperclass();
        Class<?> element = (Class<?>) ((ParameterizedType) holder).getActualTypeArguments()[0];
        Collection<Object> all = type == List.class ? new ArrayList<>()
            : (Collection<Object>) type.getDeclaredConstructor().newInstance();
        for (JsonNode one : node) all.add(value(one, element, element, schema.arrayElementType().get()));
        return all;
    }

    static byte[] bytes(JsonNode node) {
        if (node.has("hex")) return HexFormat.of().parseHex(node.get("hex").asText());
        return node.get("text").asText().getBytes(StandardCharsets.UTF_8);
    }

    static MemoryRecords records(JsonNode node) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (JsonNode one : node.get("batches")) all.write(batch(one));
        return MemoryRecords.readableRecords(ByteBuffer.wrap(all.toByteArray()));
    }

    /* One batch: magic, codec, base, pid, epoch, sequence, transactional, control, leader_epoch, records [{key, value,
     * ts, headers}]; and to spoil it: crc, count, cut (bytes dropped at its end), attributes (or-ed into them), hex. */
    static byte[] batch(JsonNode b) {
        if (b.has("hex")) return bytes(b);
        ByteBuffer out = ByteBuffer.allocate(1 << 21);
        MemoryRecordsBuilder builder = MemoryRecords.builder(out, (byte) b.path("magic").asInt(2),
            Compression.of(b.path("codec").asText("none")).build(), TimestampType.CREATE_TIME, b.path("base").asLong(0), 0L,
            b.path("pid").asLong(-1), (short) b.path("epoch").asInt(-1), b.path("sequence").asInt(-1),
            b.path("transactional").asBoolean(), b.path("control").asBoolean(), b.path("leader_epoch").asInt(-1));
        for (JsonNode r : b.get("records")) {
            List<Header> headers = new ArrayList<>();
            for (JsonNode h : r.path("headers"))
                headers.add(new RecordHeader(h.get(0).asText(), h.get(1).isNull() ? null : text(h.get(1))));
            byte[] value = r.has("size") ? new byte[r.get("size").asInt()] : text(r.get("value"));
            if (b.path("control").asBoolean()) builder.appendControlRecord(r.path("ts").asLong(), ControlRecordType.COMMIT, ByteBuffer.wrap(value));
            else if (b.path("magic").asInt(2) < 2) builder.append(r.path("ts").asLong(), text(r.get("key")), value);
            else builder.append(r.path("ts").asLong(), text(r.get("key")), value, headers.toArray(new Header[0]));
        }
        ByteBuffer built = builder.build().buffer();
        byte[] bytes = new byte[built.remaining()];
        built.get(bytes);
        ByteBuffer view = ByteBuffer.wrap(bytes);
        if (b.has("attributes")) view.putShort(21, (short) (view.getShort(21) | b.get("attributes").asInt()));
        if (b.has("count")) view.putInt(57, b.get("count").asInt());
        if (b.has("attributes") || b.has("count"))
            view.putInt(17, (int) org.apache.kafka.common.utils.Crc32C.compute(bytes, 21, bytes.length - 21));
        if (b.has("crc")) view.putInt(17, b.get("crc").asInt());
        return Arrays.copyOf(bytes, bytes.length - b.path("cut").asInt());
    }

    static byte[] text(JsonNode node) {
        return node == null || node.isNull() ? null : node.asText().getBytes(StandardCharsets.UTF_8);
    }

    /* --- answers: Kafka's message objects into JSON --------------------------------------------------- */

    static JsonNode describe(RecordBatch b) {
        ObjectNode out = nodes.objectNode();
        out.put("baseOffset", b.baseOffset()).put("lastOffset", b.lastOffset()).put("magic", b.magic());
        out.put("leaderEpoch", b.partitionLeaderEpoch()).put("codec", b.compressionType().name);
        out.put("timestampType", b.timestampType().name).put("maxTimestamp", b.maxTimestamp());
        out.put("producerId", b.producerId()).put("producerEpoch", b.producerEpoch()).put("baseSequence", b.baseSequence());
        out.put("transactional", b.isTransactional()).put("control", b.isControlBatch()).put("valid", b.isValid());
        ArrayNode records = out.putArray("records");
        if (b.isValid()) for (Record r : b) {
            if (b.isControlBatch()) {
                records.add(marker(r));
                continue;
            }
            ArrayNode one = records.addArray().add(r.offset()).add(r.timestamp());
            one.add(show(r.key())).add(show(r.value()));
            for (Header h : r.headers()) one.add(h.key() + "=" + (h.value() == null ? null : new String(h.value(), StandardCharsets.UTF_8)));
        }
        return out;
    }

    static JsonNode marker(Record r) {
        EndTransactionMarker m = EndTransactionMarker.deserialize(r);
        return nodes.objectNode().put("offset", r.offset()).put("timestamp", r.timestamp()).put("type", m.controlType().name())
            .put("coordinatorEpoch", m.coordinatorEpoch());
    }

    static String show(ByteBuffer b) {
        if (b == null) return null;
        byte[] bytes = new byte[b.remaining()];
        b.duplicate().get(bytes);
        return bytes.length > 200 ? bytes.length + " bytes" : new String(bytes, StandardCharsets.UTF_8);
    }

    /* Kafka's converter leaves records out: a Fetch answer gets them from the message, in the same order. */
    static void addRecords(JsonNode json, FetchResponseData message) {
        for (int i = 0; i < message.responses().size(); i++)
            for (int k = 0; k < message.responses().get(i).partitions().size(); k++) {
                ObjectNode row = (ObjectNode) json.get("responses").get(i).get("partitions").get(k);
                MemoryRecords records = (MemoryRecords) message.responses().get(i).partitions().get(k).records();
                if (records == null) continue;
                ArrayNode batches = row.putArray("records");
                for (RecordBatch b : records.batches()) batches.add(describe(b));
            }
    }

    static JsonNode toJson(ApiMessage message, short version) throws Exception {
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        JsonNode out = (JsonNode) converter.getMethod("write", message.getClass(), short.class, boolean.class)
            .invoke(null, message, version, true);
        if (message instanceof FetchResponseData) addRecords(out, (FetchResponseData) message);
        return out;
    }

    /* --- connections ----------------------------------------------------------------------------------- */

    static class Connection {
        final Socket socket;
        final DataInputStream in;
        final OutputStream out;
        final Deque<ApiKeys> apis = new ArrayDeque<>();
        final Deque<Short> versions = new ArrayDeque<>();
        int correlation;

        Connection(String host, int port) throws IOException {
            socket = new Socket(host, port);
            socket.setTcpNoDelay(true);
            in = new DataInputStream(socket.getInputStream());
            out = socket.getOutputStream();
        }

        void frame(byte[] bytes) throws IOException {
            ByteBuffer sized = ByteBuffer.allocate(bytes.length + 4).putInt(bytes.length).put(bytes);
            out.write(sized.array());
            out.flush();
        }

        byte[] receive(int timeout) throws IOException {
            socket.setSoTimeout(timeout);
            byte[] bytes = new byte[in.readInt()];
            in.readFully(bytes);
            return bytes;
        }
    }

    static final Map<String, InetSocketAddress> sides = new TreeMap<>();
    static final Map<String, Connection> connections = new HashMap<>();

    static Connection connection(String side, String name) throws IOException {
        Connection c = connections.get(side + "/" + name);
        if (c == null) {
            InetSocketAddress at = sides.get(side);
            connections.put(side + "/" + name, c = new Connection(at.getHostString(), at.getPort()));
        }
        return c;
    }

    static void close(String side, String name) throws IOException {
        Connection c = connections.remove(side + "/" + name);
        if (c != null) c.socket.close();
    }

    static byte[] request(Connection c, ApiKeys api, short version, ObjectNode body, String client) throws Exception {
        ApiMessage message = ApiMessageType.fromApiKey(api.id).newRequest();
        Schema[] schemas = (Schema[]) message.getClass().getField("SCHEMAS").get(null);
        fill(message, body, schemas[version]);
        RequestHeader header = new RequestHeader(api, version, client, ++c.correlation);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(header.data().size(cache, header.headerVersion()) + message.size(cache, version));
        header.data().write(new ByteBufferAccessor(out), cache, header.headerVersion());
        message.write(new ByteBufferAccessor(out), cache, version);
        return out.array();
    }

    static void send(ObjectNode o) throws Exception {
        ApiKeys api = ApiKeys.valueOf(snake(o.get("api").asText()).substring(1).toUpperCase(Locale.ROOT));
        short version = (short) o.get("version").asInt();
        for (String side : sides.keySet()) {
            Connection c = connection(side, o.get("connection").asText());
            byte[] frame = request(c, api, version, (ObjectNode) o.get("bodies").get(side), o.path("client").asText("differential"));
            try {
                c.frame(frame);
            } catch (IOException e) {
                /* Seen when it is read. */
            }
            if (!o.path("reply").asBoolean(true)) continue;
            c.apis.add(api);
            c.versions.add(version);
        }
    }

    static ObjectNode parse(Connection c, byte[] bytes, ApiKeys api, short version) throws Exception {
        ObjectNode out = nodes.objectNode();
        ByteBuffer in = ByteBuffer.wrap(bytes);
        short used = version;
        if (api == ApiKeys.API_VERSIONS && version > api.latestVersion()) used = 0;
        ResponseHeader.parse(in, api.responseHeaderVersion(used));
        int start = in.position();
        ApiMessage message = ApiMessageType.fromApiKey(api.id).newResponse();
        message.read(new ByteBufferAccessor(in), used);
        out.set("answer", toJson(message, used));
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer again = ByteBuffer.allocate(message.size(cache, used));
        message.write(new ByteBufferAccessor(again), cache, used);
        byte[] theirs = Arrays.copyOfRange(bytes, start, bytes.length);
        if (!Arrays.equals(again.array(), theirs)) out.put("bytes", HexFormat.of().formatHex(theirs));
        return out;
    }

    static ObjectNode receive(String side, String name, int timeout) throws Exception {
        Connection c = connection(side, name);
        ApiKeys api = c.apis.poll();
        Short version = c.versions.poll();
        try {
            byte[] bytes = c.receive(timeout);
            if (api == null) return nodes.objectNode().put("unasked", HexFormat.of().formatHex(bytes));
            return parse(c, bytes, api, version);
        } catch (SocketTimeoutException e) {
            close(side, name);
            return nodes.objectNode().put("silent", true);
        } catch (IOException e) {
            close(side, name);
            return nodes.objectNode().put("closed", true);
        } catch (RuntimeException e) {
            close(side, name);
            return nodes.objectNode().put("unreadable", e.toString());
        }
    }

    static ObjectNode receiveAll(ObjectNode o) throws Exception {
        ObjectNode out = nodes.objectNode();
        for (String side : sides.keySet())
            out.set(side, receive(side, o.get("connection").asText(), o.path("timeout_ms").asInt(15000)));
        return out;
    }

    static JsonNode apis() {
        ArrayNode out = nodes.arrayNode();
        for (ApiKeys api : ApiKeys.clientApis())
            out.addObject().put("key", api.id).put("name", api.messageType.name).put("min", api.oldestVersion())
                .put("max", api.latestVersion(false));
        return out;
    }

    static JsonNode raw(ObjectNode o) throws Exception {
        ObjectNode out = nodes.objectNode();
        for (String side : sides.keySet()) {
            Connection c = connection(side, o.get("connection").asText());
            c.frame(HexFormat.of().parseHex(o.get("frame").asText()));
            try {
                out.putObject(side).put("frame", HexFormat.of().formatHex(c.receive(o.path("timeout_ms").asInt(15000))));
            } catch (SocketTimeoutException e) {
                out.putObject(side).put("silent", true);
            } catch (IOException e) {
                out.putObject(side).put("closed", true);
            }
            close(side, o.get("connection").asText());
        }
        return out;
    }

    static JsonNode serve(ObjectNode o) throws Exception {
        switch (o.get("op").asText()) {
            case "open":
                sides.put(o.get("side").asText(), new InetSocketAddress(o.get("host").asText(), o.get("port").asInt()));
                return nodes.objectNode();
            case "apis": return apis();
            case "send": send(o); return nodes.objectNode();
            case "receive": return receiveAll(o);
            case "call": send(o); return o.path("reply").asBoolean(true) ? receiveAll(o) : nodes.objectNode();
            case "raw": return raw(o);
            case "close":
                for (String side : sides.keySet()) close(side, o.get("connection").asText());
                return nodes.objectNode();
            default: throw new IllegalArgumentException("op");
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line; (line = in.readLine()) != null;) {
            JsonNode answer;
            try {
                answer = serve((ObjectNode) json.readTree(line));
            } catch (Exception e) {
                Throwable cause = e instanceof InvocationTargetException ? e.getCause() : e;
                StringWriter trace = new StringWriter();
                cause.printStackTrace(new PrintWriter(trace));
                answer = nodes.objectNode().put("failed", trace.toString());
            }
            out.println(json.writeValueAsString(answer));
        }
    }
}
