// What this page was built for: made from the fleet's specs, the same for every device of the fleet.

export const PAGE = {
  "board": "phone",
  "contract": {
    "abi": 1,
    "arena_bytes": null,
    "input": {
      "channels": [
        "ax",
        "ay",
        "az",
        "gx",
        "gy",
        "gz"
      ],
      "frame_values": 6,
      "full_scale": [
        40.0,
        40.0,
        40.0,
        35.0,
        35.0,
        35.0
      ],
      "hop_frames": 10,
      "rate_hz": 10.0,
      "sensor": "imu",
      "units": [
        "m/s2",
        "m/s2",
        "m/s2",
        "rad/s",
        "rad/s",
        "rad/s"
      ],
      "window_frames": 40
    },
    "output": {
      "bytes": 4,
      "classes": [
        "Standing",
        "Running",
        "Walking",
        "Badminton"
      ],
      "type": "int8"
    }
  },
  "contractDigest": "b16647482aca4d630fce56c0d3af1703e0980db51be7d2cf28ffee753e6879a8",
  "fleet": "wrist",
  "gravity": false,
  "releases": "../releases/"
};
