"""What a value is: numbers, quantities, dates, series and expressions, each as one text for equal values."""
