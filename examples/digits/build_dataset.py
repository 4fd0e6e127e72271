"""Build a version of the dataset `digits` from the second half of scikit-learn's digits."""

from __future__ import annotations

from sklearn.datasets import load_digits

from starwhale import GrayscaleImage, dataset


def build() -> None:
    pixels, labels = load_digits(return_X_y=True)
    half = len(labels) // 2
    with dataset("digits") as digits:
        for index in range(half, len(labels)):
            image = GrayscaleImage(
                pixels[index].astype("uint8").tobytes(), display_name=f"digit {index}", shape=(8, 8, 1)
            )
            digits.append((index, {"image": image, "label": int(labels[index])}))
        version = digits.commit(message="the second half of scikit-learn's digits")
        print(f"dataset digits, version {version[:12]}: {len(digits)} rows")


if __name__ == "__main__":
    build()
