"""What proves the promises: chaos, distributed runs, growth, screenshots, foreign clients, benchmarks."""
