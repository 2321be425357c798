import java.io.IOException;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.api.java.tuple.Tuple5;
import org.apache.flink.api.java.tuple.Tuple6;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Flink in one process: state on the heap, a checkpoint a second, facts as absolute values at each checkpoint. */
public final class FlinkFunnel {

  // Tuples, which Flink serializes best. An event: deal (high, low), pipeline, day, stage, instant.
  private static final TypeInformation<Tuple6<Long, Long, Integer, Integer, Integer, Long>> EVENT =
      Types.TUPLE(Types.LONG, Types.LONG, Types.INT, Types.INT, Types.INT, Types.LONG);
  /** Pipeline, day, stage, entered, converted. */
  private static final TypeInformation<Tuple5<Integer, Integer, Integer, Long, Long>> COUNTS =
      Types.TUPLE(Types.INT, Types.INT, Types.INT, Types.LONG, Types.LONG);
  private static final TypeInformation<Tuple4<Long, Long, Integer, Integer>> DEAL =
      Types.TUPLE(Types.LONG, Types.LONG, Types.INT, Types.INT);
  private static final TypeInformation<Tuple3<Integer, Integer, Integer>> PAIR =
      Types.TUPLE(Types.INT, Types.INT, Types.INT);

  private static final class Decode
      implements DeserializationSchema<Tuple6<Long, Long, Integer, Integer, Integer, Long>> {
    @Override
    public Tuple6<Long, Long, Integer, Integer, Integer, Long> deserialize(byte[] value) throws IOException {
      Entry entry = Entry.parse(value);
      if (entry == null) {
        return null;
      }
      return Tuple6.of(
          entry.dealHigh(), entry.dealLow(), entry.pipeline(), entry.day(), entry.stage(), entry.at());
    }

    @Override
    public boolean isEndOfStream(Tuple6<Long, Long, Integer, Integer, Integer, Long> event) {
      return false;
    }

    @Override
    public TypeInformation<Tuple6<Long, Long, Integer, Integer, Integer, Long>> getProducedType() {
      return EVENT;
    }
  }

  /** Notes each entry of a deal in a day; emits what it changes. */
  private static final class Fold
      extends KeyedProcessFunction<
          Tuple4<Long, Long, Integer, Integer>,
          Tuple6<Long, Long, Integer, Integer, Integer, Long>,
          Tuple5<Integer, Integer, Integer, Long, Long>> {
    private transient ValueState<long[]> first;

    @Override
    public void open(OpenContext context) {
      first = state(this, "first");
    }

    @Override
    public void processElement(
        Tuple6<Long, Long, Integer, Integer, Integer, Long> event,
        Context context,
        Collector<Tuple5<Integer, Integer, Integer, Long, Long>> changes)
        throws Exception {
      long[] entries = first.value();
      if (entries == null) {
        entries = FirstEntries.none(Stages.known().pipelines.get(event.f2).stages().size());
      }
      boolean changed = FirstEntries.enter(entries, event.f4, event.f5, (pair, entered, converted) -> {
        if (entered != 0 || converted != 0) {
          changes.collect(Tuple5.of(event.f2, event.f3, pair, (long) entered, (long) converted));
        }
      });
      if (changed) {
        first.update(entries);
      }
    }
  }

  /** Adds the changes of a pair of stages up; emits its counts. */
  private static final class Sum
      extends KeyedProcessFunction<
          Tuple3<Integer, Integer, Integer>,
          Tuple5<Integer, Integer, Integer, Long, Long>,
          Tuple5<Integer, Integer, Integer, Long, Long>> {
    private transient ValueState<long[]> counts;

    @Override
    public void open(OpenContext context) {
      counts = state(this, "counts");
    }

    @Override
    public void processElement(
        Tuple5<Integer, Integer, Integer, Long, Long> change,
        Context context,
        Collector<Tuple5<Integer, Integer, Integer, Long, Long>> facts)
        throws Exception {
      long[] now = counts.value();
      if (now == null) {
        now = new long[2];
      }
      now[0] += change.f3;
      now[1] += change.f4;
      counts.update(now);
      facts.collect(Tuple5.of(change.f0, change.f1, change.f2, now[0], now[1]));
    }
  }

  /** Keeps the latest counts; a checkpoint is complete only when they are in Postgres. */
  private static final class FactSink implements Sink<Tuple5<Integer, Integer, Integer, Long, Long>> {
    @Override
    public SinkWriter<Tuple5<Integer, Integer, Integer, Long, Long>> createWriter(WriterInitContext context)
        throws IOException {
      try {
        return new Writer(new Facts());
      } catch (SQLException error) {
        throw new IOException(error);
      }
    }
  }

  private record Writer(Facts facts, Map<Facts.Pair, Facts.Fact> changed)
      implements SinkWriter<Tuple5<Integer, Integer, Integer, Long, Long>> {
    Writer(Facts facts) {
      this(facts, new HashMap<>());
    }

    @Override
    public void write(Tuple5<Integer, Integer, Integer, Long, Long> counts, Context context) {
      Facts.Pair pair = new Facts.Pair(counts.f0, counts.f1, counts.f2);
      changed.put(pair, new Facts.Fact(pair, counts.f3, counts.f4));
    }

    @Override
    public void flush(boolean endOfInput) throws IOException {
      try {
        facts.write(changed.values());
      } catch (SQLException error) {
        throw new IOException(error);
      }
      changed.clear();
    }

    @Override
    public void close() throws SQLException {
      facts.close();
    }
  }

  private FlinkFunnel() {}

  public static void main(String[] arguments) throws Exception {
    StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(2, settings());
    KafkaSource<Tuple6<Long, Long, Integer, Integer, Integer, Long>> source =
        KafkaSource.<Tuple6<Long, Long, Integer, Integer, Integer, Long>>builder()
            .setBootstrapServers(Course.KAFKA)
            .setTopics(Course.TOPIC)
            .setGroupId(Course.GROUP)
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setProperty("max.poll.records", "5000")
            .setProperty("max.partition.fetch.bytes", "4194304")
            .setProperty("commit.offsets.on.checkpoint", "false")
            .setValueOnlyDeserializer(new Decode())
            .build();
    environment
        .fromSource(source, WatermarkStrategy.noWatermarks(), "events")
        .keyBy(event -> Tuple4.of(event.f0, event.f1, event.f2, event.f3), DEAL)
        .process(new Fold(), COUNTS)
        .keyBy(change -> Tuple3.of(change.f0, change.f1, change.f2), PAIR)
        .process(new Sum(), COUNTS)
        .sinkTo(new FactSink());
    environment.execute("funnel");
  }

  private static Configuration settings() {
    Configuration settings = new Configuration();
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(1));
    settings.set(
        CheckpointingOptions.CHECKPOINTS_DIRECTORY, Path.of(Course.STATE, "checkpoints").toUri().toString());
    settings.set(PipelineOptions.OBJECT_REUSE, true);
    settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(64));
    return settings;
  }

  private static ValueState<long[]> state(KeyedProcessFunction<?, ?, ?> function, String name) {
    return function
        .getRuntimeContext()
        .getState(new ValueStateDescriptor<>(name, PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
  }
}
