import { describe, expect, it } from "vitest";

import { age, bytes, count, duration, fixed, fractionDigits, interval, number, percent, pValue, short, signed } from "../src/lib/format";

describe("numbers", () => {
  it("are rounded to what is worth reading", () => {
    expect([0, 899, 1319, -12, 0.9632925472747497, 1.5, 12.345678, 123.456, 1234.56].map(number)).toEqual(
      ["0", "899", "1,319", "−12", "0.9633", "1.500", "12.35", "123.5", "1,234.6"],
    );
    expect(number(0.00000123)).toBe("1.23e−6");
    expect([Number.NaN, Infinity, -Infinity].map(number)).toEqual(["NaN", "∞", "−∞"]);
  });

  it("of one column have the same figures after the point", () => {
    const column = [0.5, 0.25, 1];
    const digits = fractionDigits(column);
    expect(column.map((each) => fixed(each, digits))).toEqual(["0.5000", "0.2500", "1.0000"]);
    expect(fractionDigits([1, 2, 3])).toBe(0);
    expect(fractionDigits([1500.5])).toBe(1);
  });

  it("that would be rounded to nothing keep their size", () => { expect(fixed(0.00001, 4)).toBe("1.00e−5"); });

  it("say which way they differ", () => { expect([signed(0.1736), signed(-0.02), signed(0)]).toEqual(["+0.1736", "−0.0200", "0"]); });

  it("as p are never a row of zeros", () => { expect([pValue(3.9e-36), pValue(0.042)]).toEqual(["< 0.001", "0.042"]); });
});

describe("units", () => {
  it("fit the size", () => {
    expect([0, 1023, 1024, 138907648].map(bytes)).toEqual(["0 B", "1023 B", "1.0 KiB", "132 MiB"]);
    expect([0.0000005, 0.582, 12.34, 61, 7384].map(duration)).toEqual(["1 µs", "582 ms", "12.3 s", "1 min 1 s", "2 h 3 min"]);
    expect([age(0, 10), age(0, 600), age(0, 7200), age(0, 3 * 86_400)]).toEqual(["just now", "10 min ago", "2 h ago", "3 d ago"]);
  });

  it("come with their noun", () => { expect([count(1, "row"), count(1319, "row"), count(2, "entry", "entries")]).toEqual(["1 row", "1,319 rows", "2 entries"]); });

  it("of shares and intervals", () => {
    expect(percent(0.9633)).toBe("96.3 %");
    expect([percent(0.0018, 0), percent(0, 0), percent(0.0002)]).toEqual(["< 1 %", "0 %", "< 0.1 %"]);
    expect(interval(0.1954, 0.2399)).toBe("[0.1954, 0.2399]");
    expect(short("fkqjrmyfmzrjzqnd7phj")).toBe("fkqjrmyfmzrj");
  });
});
