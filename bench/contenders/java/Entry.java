import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.UUID;

/** A deal's entry into a stage; {@code at} in microseconds since 1970, {@code day} in days. */
public record Entry(long dealHigh, long dealLow, int pipeline, int stage, int day, long at) {
  private static final long DAY = 86_400_000_000L;
  private static final JsonFactory JSON = new JsonFactory();

  /** Reads a Debezium envelope as far as its {@code after}; null for a deletion. */
  public static Entry parse(byte[] value) throws IOException {
    Course.markFirst();
    if (value == null) {
      return null;
    }
    try (JsonParser parser = JSON.createParser(value)) {
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        boolean found = parser.currentName().equals("after");
        JsonToken token = parser.nextToken();
        if (found) {
          return token == JsonToken.VALUE_NULL ? null : row(parser);
        }
        parser.skipChildren();
      }
    }
    return null;
  }

  private static Entry row(JsonParser parser) throws IOException {
    UUID deal = null;
    UUID stage = null;
    long at = 0;
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      switch (name) {
        case "deal_id" -> deal = UUID.fromString(parser.getText());
        case "pipeline_stage_id" -> stage = UUID.fromString(parser.getText());
        case "entered_at" -> at = microseconds(parser.getText());
        default -> parser.skipChildren();
      }
    }
    Stages.Place place = Stages.known().places.get(stage);
    int day = (int) Math.floorDiv(at, DAY);
    long high = deal.getMostSignificantBits();
    return new Entry(high, deal.getLeastSignificantBits(), place.pipeline(), place.stage(), day, at);
  }

  /** Reads "2026-10-01T00:00:00.12Z": digits in fixed places, then any number of them; anything else is left to Java. */
  static long microseconds(String text) {
    int length = text.length();
    if (length < 20 || text.charAt(length - 1) != 'Z' || text.charAt(10) != 'T') {
      return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(text));
    }
    long days = days(number(text, 0, 4), number(text, 5, 7), number(text, 8, 10));
    long seconds = number(text, 11, 13) * 3600L + number(text, 14, 16) * 60L + number(text, 17, 19);
    long fraction = 0;
    for (int digit = 20; digit < 26; digit++) {
      fraction = fraction * 10 + (digit < length - 1 ? text.charAt(digit) - '0' : 0);
    }
    return days * DAY + seconds * 1_000_000L + fraction;
  }

  private static int number(String text, int from, int to) {
    int value = 0;
    for (int place = from; place < to; place++) {
      value = value * 10 + text.charAt(place) - '0';
    }
    return value;
  }

  /** Days since 1970; years begin in March, so that leap days come last. */
  private static long days(int year, int month, int day) {
    int shifted = month > 2 ? year : year - 1;
    int era = Math.floorDiv(shifted, 400);
    int ofEra = shifted - era * 400;
    int ofYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146_097L + ofEra * 365L + ofEra / 4 - ofEra / 100 + ofYear - 719_468L;
  }
}
