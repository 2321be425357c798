import java.util.Arrays;

/** One deal's first entry into each stage of its pipeline in one day, as an array that a state store can hold. */
public final class FirstEntries {
  public static final long NEVER = Long.MAX_VALUE;

  /** Told what an entry adds to the counts of the stages {@code pair} and {@code pair + 1}. */
  public interface Change {
    void add(int pair, int entered, int converted);
  }

  private FirstEntries() {}

  public static long[] none(int stages) {
    long[] entries = new long[stages];
    Arrays.fill(entries, NEVER);
    return entries;
  }

  /** Notes an entry; false, with nothing changed, where an earlier one is known. */
  public static boolean enter(long[] entries, int stage, long at, Change change) {
    long known = entries[stage];
    if (at >= known) {
      return false;
    }
    if (stage + 1 < entries.length) {
      long later = entries[stage + 1];
      change.add(stage, known == NEVER ? 1 : 0, converted(at, later) - converted(known, later));
    }
    if (stage > 0) {
      long earlier = entries[stage - 1];
      int converted = converted(earlier, at) - converted(earlier, known);
      if (converted != 0) {
        change.add(stage - 1, 0, converted);
      }
    }
    entries[stage] = at;
    return true;
  }

  private static int converted(long from, long to) {
    return from != NEVER && to != NEVER && to > from ? 1 : 0;
  }
}
