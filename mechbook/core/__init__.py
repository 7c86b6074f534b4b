"""What every theme stands on: settings, training, the cache, sweeps."""
