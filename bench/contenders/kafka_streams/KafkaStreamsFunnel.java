import java.io.IOException;
import java.nio.ByteBuffer;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: stores in memory with changelogs, exactly-once v2; partial counts by partition, then their sums. */
public final class KafkaStreamsFunnel {
  private static final String DEALS = "deals";
  private static final String PARTIALS = "partials";
  private static final String SUMS = "sums";
  private static final int COUNTS = 2 * Long.BYTES;

  /** Notes each entry; forwards the partition's counts that have changed, as absolute values. */
  private static final class Fold implements Processor<byte[], Entry, Bytes, byte[]> {
    private final Set<Bytes> changed = new HashSet<>();
    private ProcessorContext<Bytes, byte[]> context;
    private KeyValueStore<Bytes, byte[]> deals;
    private KeyValueStore<Bytes, byte[]> partials;

    @Override
    public void init(ProcessorContext<Bytes, byte[]> context) {
      this.context = context;
      deals = context.getStateStore(DEALS);
      partials = context.getStateStore(PARTIALS);
      context.schedule(Duration.ofMillis(200), PunctuationType.WALL_CLOCK_TIME, this::forward);
    }

    @Override
    public void process(Record<byte[], Entry> event) {
      Entry entry = event.value();
      if (entry == null) {
        return;
      }
      Bytes deal = key(24, entry.day(), entry.pipeline(), entry.dealHigh(), entry.dealLow());
      byte[] stored = deals.get(deal);
      long[] entries = FirstEntries.none(Stages.known().pipelines.get(entry.pipeline()).stages().size());
      if (stored != null) {
        ByteBuffer.wrap(stored).asLongBuffer().get(entries);
      }
      boolean first = FirstEntries.enter(entries, entry.stage(), entry.at(), (pair, entered, converted) -> {
        if (entered != 0 || converted != 0) {
          add(entry, pair, entered, converted);
        }
      });
      if (first) {
        ByteBuffer packed = ByteBuffer.allocate(entries.length * Long.BYTES);
        packed.asLongBuffer().put(entries);
        deals.put(deal, packed.array());
      }
    }

    private void add(Entry entry, int pair, int entered, int converted) {
      ByteBuffer place = ByteBuffer.allocate(3 * Integer.BYTES);
      Bytes key = Bytes.wrap(place.putInt(entry.pipeline()).putInt(entry.day()).putInt(pair).array());
      byte[] stored = partials.get(key);
      ByteBuffer old = ByteBuffer.wrap(stored == null ? new byte[COUNTS] : stored);
      ByteBuffer now = ByteBuffer.allocate(COUNTS);
      now.putLong(old.getLong() + entered).putLong(old.getLong() + converted);
      partials.put(key, now.array());
      changed.add(key);
    }

    private void forward(long now) {
      int partition = context.taskId().partition();
      for (Bytes key : changed) {
        ByteBuffer value = ByteBuffer.allocate(Integer.BYTES + COUNTS).putInt(partition).put(partials.get(key));
        context.forward(new Record<>(key, value.array(), now));
      }
      changed.clear();
    }

    private static Bytes key(int size, int day, int pipeline, long high, long low) {
      ByteBuffer key = ByteBuffer.allocate(size);
      return Bytes.wrap(key.putInt(day).putInt(pipeline).putLong(high).putLong(low).array());
    }
  }

  /** Keeps the counts of all partitions side by side; writes the sums that have changed once a second. */
  private static final class Sum implements Processor<Bytes, byte[], Void, Void> {
    private final Set<Bytes> changed = new HashSet<>();
    private KeyValueStore<Bytes, byte[]> sums;
    private Facts facts;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      sums = context.getStateStore(SUMS);
      try (KeyValueIterator<Bytes, byte[]> restored = sums.all()) {
        restored.forEachRemaining(sum -> changed.add(sum.key)); // may not have been written before a crash
      }
      try {
        facts = new Facts();
      } catch (SQLException error) {
        throw new IllegalStateException(error);
      }
      context.schedule(Duration.ofSeconds(1), PunctuationType.WALL_CLOCK_TIME, now -> write());
    }

    @Override
    public void process(Record<Bytes, byte[]> partial) {
      ByteBuffer value = ByteBuffer.wrap(partial.value());
      int place = value.getInt() * COUNTS;
      byte[] stored = sums.get(partial.key());
      int size = Math.max(stored == null ? 0 : stored.length, place + COUNTS);
      byte[] counts = new byte[size];
      if (stored != null) {
        System.arraycopy(stored, 0, counts, 0, stored.length);
      }
      value.get(counts, place, COUNTS);
      sums.put(partial.key(), counts);
      changed.add(partial.key());
    }

    private void write() {
      List<Facts.Fact> rows = new ArrayList<>();
      for (Bytes key : changed) {
        ByteBuffer place = ByteBuffer.wrap(key.get());
        ByteBuffer counts = ByteBuffer.wrap(sums.get(key));
        long entered = 0;
        long converted = 0;
        while (counts.hasRemaining()) {
          entered += counts.getLong();
          converted += counts.getLong();
        }
        rows.add(new Facts.Fact(new Facts.Pair(place.getInt(), place.getInt(), place.getInt()), entered, converted));
      }
      try {
        facts.write(rows);
      } catch (SQLException error) {
        throw new IllegalStateException(error);
      }
      changed.clear();
    }

    @Override
    public void close() {
      try {
        facts.close();
      } catch (SQLException error) {
        throw new IllegalStateException(error);
      }
    }
  }

  private KafkaStreamsFunnel() {}

  public static void main(String[] arguments) {
    StreamsBuilder builder = new StreamsBuilder();
    // A cache lets many changes in one commit be one record of the changelog. Counts change all the time; a deal
    // changes seldom, and without a cache its store takes a sixth less CPU (measured).
    builder.addStateStore(store(DEALS));
    builder.addStateStore(store(PARTIALS).withCachingEnabled()).addStateStore(store(SUMS).withCachingEnabled());
    builder.stream(Course.TOPIC, Consumed.with(Serdes.ByteArray(), entries()))
        .process(Fold::new, DEALS, PARTIALS)
        .repartition(
            Repartitioned.with(Serdes.Bytes(), Serdes.ByteArray()).withName("partials").withNumberOfPartitions(2))
        .process(Sum::new, SUMS);
    Properties settings = settings();
    KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
  }

  private static Properties settings() {
    Properties settings = new Properties();
    settings.put("application.id", Course.GROUP);
    settings.put("bootstrap.servers", Course.KAFKA);
    settings.put("state.dir", Course.STATE);
    settings.put("replication.factor", "1");
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", "1000");
    settings.put("num.stream.threads", "2");
    settings.put("statestore.cache.max.bytes", "67108864");
    settings.put("topology.optimization", "all");
    settings.put("consumer.auto.offset.reset", "earliest");
    settings.put("main.consumer.max.poll.records", "5000");
    settings.put("main.consumer.max.partition.fetch.bytes", "4194304");
    settings.put("producer.linger.ms", "50");
    settings.put("producer.batch.size", "262144");
    settings.put("producer.compression.type", "lz4");
    return settings;
  }

  private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name) {
    return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray());
  }

  private static Serde<Entry> entries() {
    return Serdes.serdeFrom(
        (topic, entry) -> {
          throw new UnsupportedOperationException("entries are only read");
        },
        (topic, value) -> {
          try {
            return Entry.parse(value);
          } catch (IOException error) {
            throw new SerializationException(error);
          }
        });
  }
}
