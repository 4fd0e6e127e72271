"""Starwhale Model Evaluation."""
